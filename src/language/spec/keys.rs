//! Every key of both kinds of file, once: the parser, the nearest-name help and the JSON Schema read this list.
