//! Every span, event and metric name, once.
