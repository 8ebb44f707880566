//! What a carrier charged for a call, where that is known only when the call is over.

use tollbook::metering::UsageEvent;

use super::calls::{Call, Charged, Over, State};
use super::model::Organization;
use super::price::Micros;

impl Charged {
    /// What the carrier charged, as far as it was reported and not taken back.
    pub fn carried(&self, of: &Organization) -> Micros {
        let late = self.late.iter().map(|id| &of.events[id]).filter(|event| event.is_standing());
        let late = late.filter_map(|event| event.said.carrier_cost);
        self.report.carrier_cost.into_iter().chain(late).map(|cost| Micros::from(cost.micros())).sum()
    }
}

impl Call {
    pub fn carry(&mut self, event: &str) {
        if let State::Over(Over { charge: Some(charge), .. }) = &mut self.state {
            charge.late.push(event.to_owned());
        }
    }

    /// The surcharge that no carrier cost was set against yet.
    pub fn surcharge_left(&self, of: &Organization) -> Micros {
        let State::Over(Over { charge: Some(charge), .. }) = &self.state else { return 0 };
        let first = &of.events[&charge.events[0]];
        let surcharges = first.items.iter().filter(|item| item.kind == "surcharge" && first.is_standing());
        (surcharges.map(|item| item.credits).sum::<Micros>() - charge.carried(of)).max(0)
    }
}

impl Organization {
    /// The call whose carrier's cost an event reports, where that was charged already.
    pub fn late(&self, said: &UsageEvent) -> Option<usize> {
        said.carrier_cost.filter(|_| said.quantity.micros() == 0)?;
        let place = self.call(said.call.as_ref()?, &said.meter)?;
        self.calls[place].reported().map(|_| place)
    }
}
