//! The breaker step by step, and against a model that keeps every event.

use proptest::prelude::*;

use super::*;

const SETTINGS: plan::Breaker = plan::Breaker {
    failures: 50,
    slow: Some(plan::Slow {
        calls: 60,
        over: Duration::from_millis(100),
    }),
    window: Duration::from_secs(1),
    min_calls: 4,
    open_for: Duration::from_millis(500),
    probes: 2,
};

fn ticket(breaker: &Breaker, now: Instant) -> Ticket {
    match breaker.admit(now) {
        Admission::Allow(ticket) => ticket,
        Admission::Refuse(left) => panic!("refused for {left:?}"),
    }
}

fn end(breaker: &Breaker, now: Instant, failed: bool) {
    let ticket = ticket(breaker, now);
    let took = Duration::ZERO;
    breaker.record(ticket, Verdict { failed, took }, now);
}

#[test]
fn half_of_the_calls_failing_opens_it_and_two_probes_close_it() {
    let start = Instant::now();
    let breaker = Breaker::new(SETTINGS, start);
    for failed in [false, true, true] {
        end(&breaker, start, failed);
    }
    assert_eq!(breaker.state(), State::Closed, "three calls are fewer than min_calls");
    end(&breaker, start, true);
    assert_eq!(breaker.state(), State::Open);
    let later = start + Duration::from_millis(200);
    assert_eq!(breaker.admit(later), Admission::Refuse(Duration::from_millis(300)));
    let later = start + Duration::from_millis(500);
    let (one, two) = (ticket(&breaker, later), ticket(&breaker, later));
    assert_eq!(breaker.admit(later), Admission::Refuse(Duration::ZERO));
    // One that is given up makes room for another.
    breaker.forget(one);
    let three = ticket(&breaker, later);
    let took = Duration::ZERO;
    breaker.record(two, Verdict { failed: false, took }, later);
    assert_eq!(breaker.state(), State::HalfOpen);
    breaker.record(three, Verdict { failed: false, took }, later);
    assert_eq!((breaker.state(), breaker.n_opened()), (State::Closed, 1));
    end(&breaker, later, true);
    assert_eq!(breaker.state(), State::Closed, "what was before it opened is forgotten");
}

#[test]
fn slow_calls_open_it_too() {
    let start = Instant::now();
    let breaker = Breaker::new(SETTINGS, start);
    for took in [50, 101, 150, 200] {
        let took = Duration::from_millis(took);
        breaker.record(ticket(&breaker, start), Verdict { failed: false, took }, start);
    }
    assert_eq!(breaker.state(), State::Open);
}

/// The same, said simply: every event is kept.
struct Model {
    state: State,
    since: u64,
    calls: Vec<(u64, bool)>,
    under_way: usize,
    succeeded: usize,
}

impl Model {
    fn admit(&mut self, at: u64) -> bool {
        if self.state == State::Open && at >= self.since + 500 {
            (self.state, self.under_way, self.succeeded) = (State::HalfOpen, 0, 0);
        }
        let admitted = match self.state {
            State::Closed => true,
            State::HalfOpen => self.under_way + self.succeeded < 2,
            State::Open => false,
        };
        self.under_way += usize::from(admitted);
        admitted
    }

    fn turn(&mut self, to: State, at: u64) {
        (self.state, self.since) = (to, at);
        self.calls.clear();
    }

    fn record(&mut self, at: u64, failed: bool) {
        match self.state {
            State::Open => unreachable!("nobody is let in"),
            State::HalfOpen if failed => self.turn(State::Open, at),
            State::HalfOpen => {
                self.under_way -= 1;
                self.succeeded += 1;
                if self.succeeded == 2 {
                    self.turn(State::Closed, at);
                }
            }
            State::Closed => {
                self.calls.push((at / 100, failed));
                self.calls.retain(|(slot, _)| slot + 10 > at / 100);
                let n_failed = self.calls.iter().filter(|it| it.1).count();
                if failed && self.calls.len() >= 4 && n_failed * 2 >= self.calls.len() {
                    self.turn(State::Open, at);
                }
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Begin,
    End { which: usize, failed: bool },
    GiveUp { which: usize },
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => Just(Event::Begin),
        3 => (0_usize..4, any::<bool>()).prop_map(|(which, failed)| Event::End { which, failed }),
        1 => (0_usize..4).prop_map(|which| Event::GiveUp { which }),
    ]
}

proptest! {
    /// With any number of calls under way, in any order of their ends, it does what the model does.
    #[test]
    fn it_does_what_the_model_does(events in prop::collection::vec((0_u64..150, event()), 1..200)) {
        let start = Instant::now();
        let breaker = Breaker::new(SETTINGS, start);
        let mut model = Model { state: State::Closed, since: 0, calls: Vec::new(), under_way: 0, succeeded: 0 };
        let (mut at, mut period) = (0, 0);
        let mut open: Vec<(Ticket, usize)> = Vec::new();
        for (pause, event) in events {
            at += pause;
            let now = start + Duration::from_millis(at);
            let before = model.state;
            match event {
                Event::Begin => {
                    let admitted = model.admit(at);
                    period += usize::from(before != model.state);
                    match breaker.admit(now) {
                        Admission::Allow(ticket) => {
                            prop_assert!(admitted);
                            open.push((ticket, period));
                        }
                        Admission::Refuse(_) => prop_assert!(!admitted),
                    }
                }
                Event::End { which, failed } if which < open.len() => {
                    let (ticket, of) = open.remove(which);
                    breaker.record(ticket, Verdict { failed, took: Duration::ZERO }, now);
                    if of == period {
                        model.record(at, failed);
                        period += usize::from(before != model.state);
                    }
                }
                Event::GiveUp { which } if which < open.len() => {
                    let (ticket, of) = open.remove(which);
                    breaker.forget(ticket);
                    if of == period {
                        model.under_way = model.under_way.saturating_sub(1);
                    }
                }
                Event::End { .. } | Event::GiveUp { .. } => {}
            }
            prop_assert_eq!(breaker.state(), model.state);
        }
    }
}
