//! Runs the calls of one request: references are the schedule.
