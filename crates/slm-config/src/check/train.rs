//! Rules of section `train`: which `adam_` settings an optimizer has.

use super::Check;
use crate::train::Train;

impl Check {
    pub(super) fn train(&mut self, train: &Train) {
        let has = train.optim.adam_defaults();
        for (key, value, default) in [
            ("adam_beta1", train.adam_beta1, has.beta1),
            ("adam_beta2", train.adam_beta2, has.beta2),
            ("adam_epsilon", train.adam_epsilon, has.epsilon),
        ] {
            if let (Some(value), None) = (value, default) {
                let optim = train.optim.name();
                let allowed = format!("nothing, since train.optim {optim} has no such setting");
                self.require(false, &format!("train.{key}"), value, allowed);
            }
        }
    }
}
