//! What can be set, asked and told.
