//! How old the keys of devices are, for their pages. Whoever keeps the keys says it; the desk never has one.

use std::sync::Arc;

use plume_schemas::ids::Mn;

use super::state::DeskState;

/// How a device's key stands, where plume keeps one: the key itself is never shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyStanding {
    /// Whole days that it has been in force.
    pub days: i64,
    /// Days that it may be in force.
    pub limit_days: i64,
    /// A new one is on its way to the device.
    pub changing: bool,
    /// The device asks for a new one, and nobody has permitted it.
    pub wanted: bool,
}

/// Says how a device's key stands.
#[derive(Clone)]
pub struct KeyView(Arc<dyn Fn(Mn) -> Option<KeyStanding> + Send + Sync>);

impl KeyView {
    /// Whoever keeps the keys.
    pub fn new(look: impl Fn(Mn) -> Option<KeyStanding> + Send + Sync + 'static) -> Self {
        Self(Arc::new(look))
    }
}

impl std::fmt::Debug for KeyView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyView")
    }
}

impl DeskState {
    /// Says who keeps the keys of devices. Only the first counts.
    pub fn set_keys(&self, keys: KeyView) {
        self.key_view().get_or_init(|| keys);
    }

    /// How a device's key stands; none where plume keeps none of it.
    pub(crate) fn key_of(&self, mn: Mn) -> Option<KeyStanding> {
        (self.key_view().get()?.0)(mn)
    }
}
