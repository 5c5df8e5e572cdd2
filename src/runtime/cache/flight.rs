//! Single flight: of those who want the same thing at once, one makes it and the others wait.
//!
//! Works across workers: the map is behind a lock that is held for one lookup, waiting is on a channel.
//! Invariant: a flight ends with its leader, however that ends; nobody waits for one that is gone.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::{Key, Since};

/// What is being made at the moment, by key.
pub struct Flights<T> {
    under_way: Arc<Mutex<HashMap<Key, Flight<T>>>>,
}

struct Flight<T> {
    result: watch::Receiver<State<T>>,
    /// When it began.
    since: Since,
}

/// Which part somebody has who wants a thing.
#[derive(Debug)]
pub enum Joined<T> {
    /// Makes it.
    Leader(Leader<T>),
    /// Waits for it.
    Waiting(Waiting<T>),
}

/// Makes a thing for all who wait for it. Dropped without a word, it lets somebody else lead.
pub struct Leader<T> {
    key: Key,
    since: Since,
    flights: Arc<Mutex<HashMap<Key, Flight<T>>>>,
    result: watch::Sender<State<T>>,
}

/// Waits for a thing that somebody makes. Dropping it changes nothing for anybody else.
#[derive(Debug)]
pub struct Waiting<T> {
    result: watch::Receiver<State<T>>,
}

/// How a flight ended for those who waited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Landing<T> {
    /// What was made must not be shared: each makes its own, without leading.
    Alone,
    /// Here it is.
    Shared(T),
    /// The leader is gone: look again.
    Vanished,
}

// ## Flying => (Landed)
#[derive(Debug)]
enum State<T> {
    Flying,
    // ## Landed => ()
    Landed(Landing<T>),
}

impl<T> Flights<T> {
    /// Leads the flight of this key, or waits for the one that is under way, unless that began before `since`.
    pub fn join(&self, key: Key, since: Since) -> Joined<T> {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = under_way.get(&key)
            && flight.since >= since
        {
            let result = flight.result.clone();
            return Joined::Waiting(Waiting { result });
        }
        let (sender, result) = watch::channel(State::Flying);
        under_way.insert(key, Flight { result, since });
        Joined::Leader(Leader {
            key,
            since,
            flights: self.under_way.clone(),
            result: sender,
        })
    }
}

impl<T> Clone for Flights<T> {
    fn clone(&self) -> Self {
        Self {
            under_way: self.under_way.clone(),
        }
    }
}

impl<T> Default for Flights<T> {
    fn default() -> Self {
        Self {
            under_way: Arc::default(),
        }
    }
}

impl<T> Leader<T> {
    /// The key of what is made.
    pub fn key(&self) -> Key {
        self.key
    }

    /// When it was begun; of what has no tags always the beginning of time.
    pub fn since(&self) -> Since {
        self.since
    }

    /// Gives what was made to all who wait.
    pub fn share(self, made: T) {
        self.result.send_replace(State::Landed(Landing::Shared(made)));
    }

    /// Tells all who wait to make their own.
    pub fn alone(self) {
        self.result.send_replace(State::Landed(Landing::Alone));
    }
}

impl<T> Drop for Leader<T> {
    fn drop(&mut self) {
        // From here on nobody joins; those who have joined read the result, or see that the channel is closed.
        let mut under_way = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        let own = self.result.subscribe();
        // A later one may have taken its place.
        if under_way.get(&self.key).is_some_and(|it| it.result.same_channel(&own)) {
            under_way.remove(&self.key);
        }
    }
}

impl<T: Clone> Waiting<T> {
    /// Waits for the end of the flight. Sets no time limit of its own.
    pub async fn landed(mut self) -> Landing<T> {
        match self
            .result
            .wait_for(|it| matches!(it, State::Landed(_)))
            .await
            .as_deref()
        {
            Ok(State::Landed(landing)) => landing.clone(),
            Ok(State::Flying) | Err(_) => Landing::Vanished,
        }
    }
}

impl<T> fmt::Debug for Flights<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Leader<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leader").field("key", &self.key).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::KeyWriter;
    use super::*;

    fn key() -> Key {
        KeyWriter::new("test").finish()
    }

    fn lead(flights: &Flights<u8>) -> Leader<u8> {
        match flights.join(key(), Since::default()) {
            Joined::Leader(leader) => leader,
            Joined::Waiting(_) => panic!("somebody leads already"),
        }
    }

    fn wait(flights: &Flights<u8>) -> Waiting<u8> {
        match flights.join(key(), Since::default()) {
            Joined::Leader(_) => panic!("nobody leads"),
            Joined::Waiting(waiting) => waiting,
        }
    }

    #[tokio::test]
    async fn those_who_wait_get_what_the_leader_made() {
        let flights = Flights::default();
        let leader = lead(&flights);
        let (a, b) = (wait(&flights), wait(&flights));
        drop(wait(&flights));
        leader.share(7);
        assert_eq!(a.landed().await, Landing::Shared(7));
        assert_eq!(b.landed().await, Landing::Shared(7));
        lead(&flights).alone();
    }

    #[tokio::test]
    async fn a_leader_that_vanishes_lets_another_lead() {
        let flights = Flights::default();
        let waiting = wait_behind(&flights);
        assert_eq!(waiting.landed().await, Landing::Vanished);
        let leader = lead(&flights);
        let waiting = wait(&flights);
        leader.alone();
        assert_eq!(waiting.landed().await, Landing::Alone);
    }

    fn wait_behind(flights: &Flights<u8>) -> Waiting<u8> {
        let leader = lead(flights);
        let waiting = wait(flights);
        drop(leader);
        waiting
    }
}
