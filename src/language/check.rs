//! As written → as checked: the passes, in order, in one function (semantics.md 13).
