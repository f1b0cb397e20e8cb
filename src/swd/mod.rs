//! What an SWD session means: register tables keyed by DEV_ID, reset causes, ST-Link status. Pure.
