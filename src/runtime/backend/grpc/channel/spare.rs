//! Connections that a spike had opened are closed again, one after the other, once the others have long had room enough.

use std::rc::Rc;
use std::time::Duration;

use super::{Channels, State};

/// Of this time the most calls at once are what the connections have to have room for.
const WINDOW: Duration = Duration::from_mins(1);

impl Channels {
    /// Notes how many calls there are, where that may matter.
    pub(super) fn note_busy(&self) {
        if self.is_watched.get() {
            self.most.set(self.most.get().max(self.n_streams()));
        }
    }

    fn n_streams(&self) -> usize {
        let all = self.all.borrow();
        let each = all.iter().map(|it| match &*it.state.borrow() {
            State::Ready { n_streams, .. } => n_streams.get(),
            State::Idle | State::Connecting | State::Down { .. } => 0,
        });
        each.sum()
    }

    /// Looks again and again whether there are too many, until there is one alone.
    pub(super) fn watch(self: &Rc<Self>) {
        if self.is_watched.replace(true) {
            return;
        }
        self.most.set(self.n_streams());
        let channels = Rc::downgrade(self);
        tokio::task::spawn_local(async move {
            loop {
                tokio::time::sleep(WINDOW).await;
                let Some(channels) = channels.upgrade() else { return };
                channels.close_spare();
                if channels.all.borrow().len() == 1 {
                    channels.is_watched.set(false);
                    return;
                }
            }
        });
    }

    /// Closes one connection, where the others would have had room for the most calls of the last window, and a quarter
    /// more. Calls under way on it go on to their ends.
    fn close_spare(&self) {
        let most = self.most.replace(self.n_streams());
        let mut all = self.all.borrow_mut();
        let room = |state: &State| match state {
            State::Ready { sender, .. } => sender.current_max_send_streams(),
            State::Idle | State::Connecting | State::Down { .. } => 0,
        };
        let rooms: Vec<usize> = all.iter().map(|it| room(&it.state.borrow())).collect();
        // One that is gone first, or else the one that was opened last.
        let Some(spare) = rooms.iter().rposition(|it| *it == 0).or(rooms.len().checked_sub(1)) else {
            return;
        };
        let is_connecting = all.iter().any(|it| matches!(*it.state.borrow(), State::Connecting));
        let others = rooms.iter().enumerate().filter(|(at, _)| *at != spare);
        let left = others.fold(0_usize, |sum, (_, room)| sum.saturating_add(*room));
        if rooms.len() > 1 && !is_connecting && self.line.is_empty() && most.saturating_add(most / 4) <= left {
            all.remove(spare);
        }
    }
}
