//! What gateways let in while Redis comes and goes, in simulated time, with a Redis that counts as `count.lua` does.

use proptest::prelude::*;

use super::gcra::Gcra;
use super::store::{Counted, Hashed, Store};
use crate::plan::Rate;

/// The script, of one key.
#[derive(Default)]
struct Redis {
    over_at: u64,
    is_gone: bool,
}

struct Gateway {
    store: Store,
    life: u32,
    is_connected: bool,
}

impl Gateway {
    fn new() -> Self {
        Self {
            store: Store::default(),
            life: 1,
            is_connected: false,
        }
    }

    /// As `shared::ask` does it, and where Redis is gone `ask_here`.
    fn lets_in(&mut self, redis: &mut Redis, gcra: &Gcra, now: u64) -> bool {
        if redis.is_gone {
            self.is_connected = false;
            self.store.tell_rate(key(), now, self.life);
            self.store.rate_is_untold(key());
            return self.store.ask_rate(key(), gcra, now).retry_after.is_none();
        }
        if !self.is_connected {
            (self.is_connected, self.life) = (true, self.life + 1);
        }
        let spent = self.store.tell_rate(key(), now, self.life);
        redis.over_at = redis.over_at.max(now + spent.min(gcra.full()));
        let verdict = gcra.ask(&mut redis.over_at, now);
        self.store.hear_rate(key(), verdict.full_after, now, self.life);
        verdict.retry_after.is_none()
    }
}

fn key() -> Counted {
    (Hashed::of(b"limit"), Hashed::of(b"key"))
}

/// What happens to Redis.
#[derive(Clone, Copy, Debug)]
enum Event {
    Goes,
    Comes { forgets: bool },
}

fn events() -> impl Strategy<Value = Vec<(u64, usize, Option<Event>)>> {
    let event = prop_oneof![
        20 => Just(None),
        1 => Just(Some(Event::Goes)),
        1 => any::<bool>().prop_map(|forgets| Some(Event::Comes { forgets })),
    ];
    // How long nothing happens, who is asked, and what happens to Redis before that.
    prop::collection::vec((0u64..300_000_000, 0usize..3, event), 1..300)
}

fn happen(event: Option<Event>, redis: &mut Redis) {
    match event {
        None => {}
        Some(Event::Goes) => redis.is_gone = true,
        Some(Event::Comes { forgets }) => {
            redis.over_at = if forgets { 0 } else { redis.over_at };
            redis.is_gone = false;
        }
    }
}

fn gcra(burst: u64) -> Gcra {
    Gcra::new(&Rate {
        requests: 4,
        per: std::time::Duration::from_secs(1),
        burst,
    })
}

const START: u64 = 1_700_000_000_000_000_000;

proptest! {
    #[test]
    fn one_gateway_lets_in_no_more_whatever_becomes_of_redis(events in events(), burst in 1u64..20) {
        let (gcra, mut gateway, mut redis) = (gcra(burst), Gateway::new(), Redis::default());
        let (mut now, mut n_let_in, mut alone) = (START, 0, 0);
        for (pause, _, event) in events {
            now += pause;
            let was_gone = redis.is_gone;
            happen(event, &mut redis);
            // It restarts, unseen: the connection is another one all the same.
            gateway.is_connected &= was_gone || event.is_none();
            let is_let_in = gateway.lets_in(&mut redis, &gcra, now);
            // And no less: as if there were no Redis at all.
            prop_assert_eq!(is_let_in, gcra.ask(&mut alone, now).retry_after.is_none());
            n_let_in += u64::from(is_let_in);
            prop_assert!(n_let_in <= burst + (now - START) / gcra.interval);
        }
    }

    #[test]
    fn without_redis_each_gateway_goes_on_from_what_it_heard_last(
        before in prop::collection::vec((0u64..300_000_000, 0usize..3), 1..100),
        after in prop::collection::vec((0u64..300_000_000, 0usize..3), 1..100),
        burst in 1u64..20,
    ) {
        let (gcra, mut redis, mut now) = (gcra(burst), Redis::default(), START);
        let mut gateways = [(); 3].map(|()| Gateway::new());
        let mut heard = [0; 3];
        for (pause, at) in before {
            now += pause;
            gateways[at].lets_in(&mut redis, &gcra, now);
            heard[at] = redis.over_at;
        }
        redis.is_gone = true;
        let mut n_let_in = [0; 3];
        for (pause, at) in after {
            now += pause;
            n_let_in[at] += u64::from(gateways[at].lets_in(&mut redis, &gcra, now));
            // What was left when it heard of it last, and what has come back since.
            let left = (gcra.full() + now).saturating_sub(heard[at]) / gcra.interval;
            prop_assert!(n_let_in[at] <= left, "{} of {}", n_let_in[at], left);
            prop_assert!(n_let_in[at] <= burst + now.saturating_sub(START) / gcra.interval);
        }
        // It is back, and knows nothing: once all have asked, it is as if it had never been gone.
        redis = Redis::default();
        for gateway in &mut gateways {
            gateway.is_connected = false;
            gateway.lets_in(&mut redis, &gcra, now);
        }
        let (mut n_let_in, known) = (0, heard.into_iter().max().unwrap_or(0));
        for turn in 0..60 {
            n_let_in += u64::from(gateways[turn % 3].lets_in(&mut redis, &gcra, now));
            prop_assert!(n_let_in <= (gcra.full() + now).saturating_sub(known) / gcra.interval);
            now += 10_000_000;
        }
    }
}
