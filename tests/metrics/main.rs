//! Metrics against values from elsewhere, by hand, and by their plain definitions.

mod by_hand;
mod cases;
mod definitions;
mod overlaps;
