//! The choice among targets: its laws, and that loads come out as each policy wants them.

use proptest::prelude::*;

use super::*;

fn target(n: usize) -> Target {
    Target {
        authority: format!("t{n}:1").into(),
        host: format!("t{n}").into(),
        port: 1,
    }
}

fn balancer(policy: Balance, n: usize) -> Balancer {
    let health = plan::Health {
        ejection: Some(plan::Ejection {
            failures: 1,
            length: Duration::from_secs(10),
        }),
        check: None,
    };
    let member = |at| Arc::new(Member::new(target(at), (policy, &health), Instant::now(), None));
    let members = (0..n).map(member).collect();
    Balancer {
        policy,
        health,
        members: ArcSwap::from_pointee(members),
        version: AtomicU64::new(1),
        began: Instant::now(),
        due: AtomicU64::new(0),
    }
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
