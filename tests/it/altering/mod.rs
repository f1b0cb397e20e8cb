//! What alters a board, as a user meets it: the gate, the recipes, the journal, and the way back.

mod bench;
mod fus;
mod gate;
mod kills;
mod memory;
