//! Other tools' logs, and the poster's words around them, to the same events as a live campaign.
