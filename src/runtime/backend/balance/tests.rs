//! The choice among targets: its laws, and that loads come out as each policy wants them.

use proptest::prelude::*;

use super::*;

fn target(n: usize) -> Target {
    Target::new(format!("t{n}:1"), format!("t{n}"), 1)
}

fn balancer(policy: Balance, n: usize) -> Balancer {
    let health = plan::Health {
        ejection: Some(plan::Ejection {
            failures: 1,
            length: Duration::from_secs(10),
        }),
        check: None,
    };
    let balancer = Balancer {
        policy,
        health,
        zone: Some("here".into()),
        members: ArcSwap::default(),
        version: AtomicU64::new(1),
        began: Instant::now(),
        due: AtomicU64::new(0),
    };
    balancer.replace(&(0..n).map(target).collect::<Vec<_>>(), Instant::now());
    balancer
}

fn policy() -> impl Strategy<Value = Balance> {
    prop_oneof![
        Just(Balance::RoundRobin),
        Just(Balance::LeastRequest),
        Just(Balance::Ewma)
    ]
}

proptest! {
    /// Of the fit and untried the best reached is chosen; the unfit only in panic, the tried only where no other is left.
    #[test]
    fn the_best_are_chosen(
        policy in policy(),
        all in prop::collection::vec((any::<bool>(), any::<bool>(), 0_u8..4), 2..12),
        seed in any::<u64>(),
    ) {
        let balancer = balancer(policy, all.len());
        let members = balancer.members();
        let tried = Tried::default();
        for (at, (sick, was_tried, _)) in all.iter().enumerate() {
            members[at].answered_health(!sick);
            members[at].answered_health(!sick);
            if *was_tried {
                tried.note(at);
            }
        }
        let readiness = |at: usize| match all[at].2 {
            0 => Readiness::Down,
            1 => Readiness::Cold,
            2 => Readiness::Connecting,
            _ => Readiness::Ready,
        };
        let n_fit = all.iter().filter(|it| !it.0).count();
        let panic = n_fit * 2 < all.len();
        let rank = |at: usize| (!all[at].1, panic || !all[at].0, readiness(at));
        for turn in 0..20 {
            let chosen = balancer.choose(&members, &tried, readiness, (&Dice::seeded(seed), turn, None)).unwrap();
            // Where nobody is untried, the rest does not matter.
            let best = (0..all.len()).map(rank).max().unwrap();
            prop_assert!(rank(chosen) == best || !best.0, "{chosen} of {all:?}");
        }
    }

    /// Who stays in the list keeps what is known of it, and nobody else.
    #[test]
    fn a_changed_list_keeps_who_stays(before in prop::collection::btree_set(0_usize..10, 1..8), after in prop::collection::btree_set(0_usize..10, 0..8)) {
        let balancer = balancer(Balance::LeastRequest, 0);
        let list = |of: &std::collections::BTreeSet<usize>| of.iter().map(|it| target(*it)).collect::<Vec<_>>();
        balancer.replace(&list(&before), Instant::now());
        for member in balancer.members().iter() {
            member.answered_health(false);
            member.answered_health(false);
        }
        balancer.replace(&list(&after), Instant::now());
        let known: Vec<bool> = balancer.members().iter().map(|it| it.is_sick()).collect();
        let wanted: Vec<bool> = after.iter().map(|it| before.contains(it)).collect();
        prop_assert_eq!(known, wanted);
    }
}

/// Ten thousand choices, each call under way until the next ten were made.
fn spread(balancer: &Balancer) -> Vec<usize> {
    let members = balancer.members();
    let dice = Dice::seeded(7);
    let mut counts = vec![0; members.len()];
    let mut going = std::collections::VecDeque::new();
    for turn in 0..10_000 {
        let tried = Tried::default();
        let at = balancer
            .choose(&members, &tried, |_| Readiness::Ready, (&dice, turn, None))
            .unwrap();
        counts[at] += 1;
        members[at].load.begin();
        going.push_back(at);
        if going.len() > 10 {
            members[going.pop_front().unwrap()].load.end();
        }
    }
    for at in going {
        members[at].load.end();
    }
    counts
}

#[test]
fn everybody_gets_a_share() {
    for policy in [Balance::RoundRobin, Balance::LeastRequest, Balance::Ewma] {
        let counts = spread(&balancer(policy, 4));
        assert!(
            counts.iter().all(|it| (2_000..3_000).contains(it)),
            "{policy:?}: {counts:?}"
        );
    }
}

#[test]
fn who_is_slow_gets_less_by_ewma() {
    let balancer = balancer(Balance::Ewma, 3);
    let members = balancer.members();
    for (member, millis) in members.iter().zip([10, 10, 200]) {
        member.load.measure(Instant::now(), Duration::from_millis(millis));
    }
    let counts = spread(&balancer);
    assert!(counts[2] < 1_000, "{counts:?}");
}

#[test]
fn who_comes_later_begins_slowly() {
    for policy in [Balance::RoundRobin, Balance::LeastRequest] {
        let balancer = balancer(policy, 2);
        let mut targets: Vec<Target> = (0..2).map(target).collect();
        targets.push(target(2));
        balancer.replace(&targets, Instant::now());
        let counts = spread(&balancer);
        assert!(counts[2] > 0 && counts[2] < 1_500, "{policy:?}: {counts:?}");
    }
}

proptest! {
    /// A hash stands for one target; without that target only what was its own moves; and all get about the same.
    #[test]
    fn little_moves_where_a_target_goes(n in 2_usize..9, gone in any::<prop::sample::Index>()) {
        let balancer = balancer(Balance::Hash, n);
        let before = balancer.members();
        let dice = Dice::seeded(1);
        let chosen = |hash: u64| {
            let members = balancer.members();
            let at = balancer.choose(&members, &Tried::default(), |_| Readiness::Cold, (&dice, 0, Some(hash_of(&hash.to_be_bytes()))));
            members[at.unwrap()].target.clone()
        };
        let first: Vec<Target> = (0..1_000).map(chosen).collect();
        for member in before.iter() {
            let share = first.iter().filter(|it| **it == member.target).count() * n;
            prop_assert!((650..1_400).contains(&share), "{share} of a thousand");
        }
        let gone = before[gone.index(n)].target.clone();
        let left: Vec<Target> = before.iter().map(|it| it.target.clone()).filter(|it| *it != gone).collect();
        balancer.replace(&left, Instant::now());
        for (hash, was) in (0..).zip(&first) {
            let is = chosen(hash);
            prop_assert!(is != gone && (*was == gone || is == *was));
        }
        balancer.replace(&before.iter().map(|it| it.target.clone()).collect::<Vec<_>>(), Instant::now());
        prop_assert!((0..).zip(&first).all(|(hash, was)| chosen(hash) == *was));
    }
}

/// Targets with these weights, and zones.
fn of(policy: Balance, all: &[(u32, &str, u16)]) -> Balancer {
    let balancer = balancer(policy, 0);
    let one = |(at, (weight, zone, priority)): (usize, &(u32, &str, u16))| Target {
        weight: *weight,
        zone: Some((*zone).into()),
        priority: *priority,
        ..target(at)
    };
    let targets: Vec<Target> = all.iter().enumerate().map(one).collect();
    balancer.replace(&targets, Instant::now());
    balancer
}

#[test]
fn every_policy_honours_weights() {
    let weights = [5, 1, 2, 2];
    for policy in [Balance::RoundRobin, Balance::LeastRequest, Balance::Ewma, Balance::Hash] {
        let balancer = of(policy, &weights.map(|it| (it, "here", 0)));
        let counts = spread(&balancer);
        for (count, weight) in counts.iter().zip(weights) {
            let wanted = usize::try_from(weight).unwrap() * 1_000;
            let is_near = (wanted * 7 / 10..wanted * 13 / 10).contains(count);
            assert!(is_near, "{policy:?}: {counts:?}");
        }
    }
}

#[test]
fn with_weights_a_hash_stands_for_one_target_too() {
    let balancer = of(Balance::Hash, &[(5, "here", 0), (1, "here", 0), (2, "here", 0)]);
    let members = balancer.members();
    let choose = |hash: u64, turn| {
        let hash = Some(hash_of(&hash.to_be_bytes()));
        let dice = Dice::random();
        balancer
            .choose(&members, &Tried::default(), |_| Readiness::Ready, (&dice, turn, hash))
            .unwrap()
    };
    let mut counts = [0; 3];
    for hash in 0..8_000 {
        assert_eq!(choose(hash, 0), choose(hash, 1));
        counts[choose(hash, 0)] += 1;
    }
    assert!(
        (4_600..5_400).contains(&counts[0]) && (850..1_150).contains(&counts[1]),
        "{counts:?}"
    );
}

#[test]
fn a_changed_weight_keeps_what_is_known_of_a_target() {
    let balancer = of(Balance::RoundRobin, &[(1, "here", 0), (1, "here", 0)]);
    let before = balancer.members();
    let mut targets: Vec<Target> = before.iter().map(|it| it.target.clone()).collect();
    targets[1].weight = 9;
    balancer.replace(&targets, Instant::now());
    assert!(Arc::ptr_eq(&balancer.members(), &before));
    let counts = spread(&balancer);
    assert!((900..1_100).contains(&counts[0]), "{counts:?}");
}

#[test]
fn calls_stay_in_the_zone_while_half_of_it_is_fit() {
    let all = [
        (1, "here", 0),
        (1, "here", 0),
        (1, "here", 0),
        (1, "there", 0),
        (1, "there", 0),
        (1, "there", 0),
    ];
    for policy in [Balance::RoundRobin, Balance::LeastRequest, Balance::Ewma] {
        let balancer = of(policy, &all);
        let members = balancer.members();
        let sicken = |at: usize| (0..BAD_ANSWERS).for_each(|_| members[at].answered_health(false));
        let share_here = || {
            let counts = spread(&balancer);
            counts[..3].iter().sum::<usize>()
        };
        assert_eq!(share_here(), 10_000, "{policy:?}");
        sicken(0);
        assert_eq!(share_here(), 10_000, "{policy:?}");
        sicken(1);
        let here = share_here();
        assert!((1_500..3_500).contains(&here), "{policy:?}: {here}");
    }
}

#[test]
fn whoever_was_tried_or_cannot_be_reached_in_the_zone_is_passed_over() {
    let balancer = of(Balance::LeastRequest, &[(1, "here", 0), (1, "there", 0)]);
    let members = balancer.members();
    let dice = Dice::seeded(1);
    let choose = |tried: &Tried, ready: Readiness| {
        let readiness = |at: usize| if at == 0 { ready } else { Readiness::Ready };
        balancer.choose(&members, tried, readiness, (&dice, 0, None))
    };
    let tried = Tried::default();
    assert_eq!(choose(&tried, Readiness::Cold), Some(0));
    assert_eq!(choose(&tried, Readiness::Down), Some(1));
    tried.note(0);
    assert_eq!(choose(&tried, Readiness::Ready), Some(1));
    tried.note(1);
    assert!(choose(&tried, Readiness::Ready).is_some());
}

#[test]
fn lower_priorities_wait_until_the_first_do_not_serve() {
    let balancer = of(Balance::RoundRobin, &[(3, "", 10), (1, "", 10), (1, "", 20)]);
    let counts = spread(&balancer);
    assert!(counts[2] == 0 && counts[0] > 7_000, "{counts:?}");
    let members = balancer.members();
    for at in [0, 1] {
        (0..BAD_ANSWERS).for_each(|_| members[at].answered_health(false));
    }
    assert_eq!(spread(&balancer), [0, 0, 10_000]);
}
