//! Every function and method, once: name, receiver, parameters, result, how it takes null, and what it does.
