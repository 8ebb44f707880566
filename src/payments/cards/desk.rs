//! The calls outside that have to do with cards.

use super::{
    CardSetup, EXPIRES, FORGET, Method, NewSetup, SET_UP, SetupState, announce, any, begun, create, failed,
    record, seen, setup, sql,
};
use crate::base::id::{CardSetupId, OrganizationId, PaymentId, PaymentMethodId};
use crate::outbox::{Failure, Work};
use crate::payments::gateway::{Charge, Checkout, Form, KEYS_KEPT_MS, Setup, Trouble};
use crate::payments::{CHARGE, Desk, Error, State, customers, disputes, refused, reload, row_of};

impl Desk {
    /// Where customers come back to from giving a card.
    #[must_use]
    pub fn card_return_url(&self, id: CardSetupId) -> String {
        format!("{}/payment-methods/{id}", self.public_url())
    }

    /// Writes down that a card is to be asked for, and has the provider ask for it.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn set_up_card(&self, new: NewSetup) -> Result<CardSetup, Error> {
        let made = self.db().write(move |tx| create(tx, &new)).await?;
        self.begin_setup(made).await
    }

    async fn begin_setup(&self, found: CardSetup) -> Result<CardSetup, Error> {
        let gateway = self.gateway()?;
        if found.state != SetupState::Created || gateway.name() != found.gateway {
            return Ok(found);
        }
        let id = found.id;
        let mut asked = self.ask_to_set_up(&found).await;
        if let Err(Error::Gateway(Trouble::NoCustomer(_))) = &asked {
            // it was forgotten, and is made known anew
            asked = self.ask_to_set_up(&found).await;
        }
        match asked {
            Ok(checkout) => self.db().write(move |tx| begun(tx, id, &checkout)).await,
            Err(Error::Gateway(Trouble::Refused(why))) => {
                self.db().write(move |tx| failed(tx, id)).await?;
                Err(Trouble::Refused(why).into())
            }
            Err(error) => Err(error),
        }
    }

    async fn ask_to_set_up(&self, found: &CardSetup) -> Result<Checkout, Error> {
        let (gateway, id) = (self.gateway()?, found.id);
        let (_, told) = self.outside(id)?;
        let customer = self.customer(found.organization).await?;
        let url = |given: &Option<String>| given.clone().unwrap_or_else(|| self.card_return_url(id));
        let order = Setup {
            key: self.key_of(&told, found.organization)?,
            id: told,
            customer: customer.clone(),
            form: Form::Hosted,
            return_url: url(&found.success_url),
            cancel_url: url(&found.cancel_url),
        };
        let asked = gateway.set_up(order).await;
        if let Err(Trouble::NoCustomer(_)) = &asked {
            self.customer_is_gone(found.organization, customer).await?;
        }
        Ok(asked?)
    }

    /// Asks the provider how a setup stands, unless the card is saved, and writes that down.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn ask_about_card(&self, id: CardSetupId) -> Result<CardSetup, Error> {
        let found = self.db().read_blocking(|tx| setup(tx, id))?;
        let gateway = self.gateway()?;
        let reference = match (&found.state, &found.reference) {
            (SetupState::Pending(_) | SetupState::Failed, Some(reference))
                if gateway.name() == found.gateway =>
            {
                reference.clone()
            }
            _ => return Ok(found),
        };
        let seen = gateway.look_at_setup(&reference).await?;
        let name = gateway.name();
        self.db().write(move |tx| record(tx, name, &reference, &seen)).await?;
        self.db().read_blocking(|tx| setup(tx, id))
    }

    /// A webhook has named a setup. Answers whether it is known here.
    pub(in crate::payments) async fn told_of_setup(&self, reference: &str) -> Result<bool, Error> {
        let gateway = self.gateway()?;
        let seen = match gateway.look_at_setup(reference).await {
            Ok(seen) => seen,
            Err(Trouble::Unknown) => return Ok(false),
            Err(trouble) => return Err(trouble.into()),
        };
        let (name, reference) = (gateway.name(), reference.to_owned());
        Ok(self.db().write(move |tx| record(tx, name, &reference, &seen)).await?.is_some())
    }

    /// True for the provider's id of a setup.
    pub(in crate::payments) fn is_setup(&self, gateway: &str, reference: &str) -> Result<bool, Error> {
        Ok(self.db().read_blocking(|tx| sql::setup_by_reference(tx, gateway, reference))?.is_some())
    }

    /// A webhook has named a card. Answers whether it is known here.
    pub(in crate::payments) async fn told_of_card(&self, reference: &str) -> Result<bool, Error> {
        let gateway = self.gateway()?;
        let card = match gateway.look_at_card(reference).await {
            Ok(found) => found.map(|(_, card)| card),
            Err(Trouble::Unknown) => None,
            Err(trouble) => return Err(trouble.into()),
        };
        let (name, reference) = (gateway.name(), reference.to_owned());
        let known = self.db().write(move |tx| seen(tx, name, &reference, card.as_ref()));
        Ok(known.await?.is_some())
    }

    /// Has the provider keep a card no longer.
    async fn forget(&self, id: PaymentMethodId) -> Result<(), Error> {
        let method: Method = self.db().read_blocking(|tx| any(tx, id))?;
        let gateway = self.gateway()?;
        if !method.removed || gateway.name() != method.gateway {
            return Ok(());
        }
        match gateway.forget_card(&method.reference).await {
            Ok(()) | Err(Trouble::Unknown) => Ok(()),
            Err(trouble) => Err(trouble.into()),
        }
    }

    /// Charges the saved card of a payment, unless that was answered already. `attempt`: how often it was tried, this time
    /// included.
    pub(in crate::payments) async fn charge(&self, id: PaymentId, attempt: i64) -> Result<(), Error> {
        let (payment, method) = self.db().read_blocking(|tx| -> Result<_, Error> {
            let payment = crate::payments::get(tx, id)?;
            let method = payment.extras.card.map(|card| any(tx, card)).transpose()?;
            Ok((payment, method))
        })?;
        let Some(method) = method.filter(|_| payment.state == State::Created) else { return Ok(()) };
        let gateway = self.gateway()?;
        let elsewhere = gateway.name() != payment.gateway || gateway.name() != method.gateway;
        let late = self.db().now() > payment.created_at.plus_ms(KEYS_KEPT_MS);
        if method.removed || elsewhere || late {
            if attempt == 1 && !late {
                // the provider has not heard of it
                return self.db().write(move |tx| refused(tx, id)).await;
            }
            // it may have been charged: should it have been, it is settled when the provider tells
            self.db().write(move |tx| reload::unanswered(tx, &crate::payments::get(tx.conn()?, id)?)).await?;
            let why = "whether the card was charged is not known: look at the provider";
            return Err(Trouble::Refused(why.into()).into());
        }
        let (key, told) = self.outside(id)?;
        let customer = self.customer(payment.organization).await?;
        let charge = Charge {
            key,
            id: told,
            amount: payment.quote.amounts.total,
            description: payment.purchase.description(),
            customer: customer.clone(),
            card: method.reference.clone(),
        };
        let name = gateway.name();
        match gateway.charge(charge).await {
            Ok((reference, seen)) => {
                let told = self.db().write(move |tx| crate::payments::record(tx, name, &reference, &seen));
                told.await.map(|_| ())
            }
            Err(Trouble::Refused(why)) => {
                tracing::warn!(payment = %id, why, "a saved card could not be charged");
                self.db().write(move |tx| refused(tx, id)).await
            }
            Err(Trouble::NoCustomer(_)) => {
                // its cards went with it
                self.customer_is_gone(payment.organization, customer).await?;
                self.db().write(move |tx| refused(tx, id)).await?;
                self.told_of_card(&method.reference).await.map(|_| ())
            }
            Err(trouble) => Err(trouble.into()),
        }
    }

    /// Carries out work about cards, customers and auto-reload.
    pub(in crate::payments) async fn carry_out_for_cards(&self, work: Work) -> Result<(), Failure> {
        let number = row_of(&work)?;
        let card = PaymentMethodId::new(number);
        let done = match work.kind.as_str() {
            SET_UP => {
                let found = self.db().read_blocking(|tx| setup(tx, CardSetupId::new(number)));
                match found {
                    Ok(found) => self.begin_setup(found).await.map(|_| ()),
                    Err(error) => Err(error),
                }
            }
            FORGET => self.forget(card).await,
            EXPIRES => self.db().write(move |tx| announce(tx, card)).await,
            CHARGE => self.charge(PaymentId::new(number), work.attempts).await,
            crate::wallet::CAUGHT => {
                let organization = OrganizationId::new(number);
                let done = self.db().write(move |tx| disputes::claw_back(tx, organization)).await;
                done.map_err(Error::from)
            }
            customers::SYNC => self.sync_customer(OrganizationId::new(number), work.id).await,
            crate::wallet::FELL | reload::AGAIN => {
                self.reload(OrganizationId::new(number), work.id, work.kind == reload::AGAIN).await
            }
            other => return Err(Failure::Never(format!("nobody carries out {other}"))),
        };
        done.map_err(|error| match error {
            Error::Gateway(Trouble::Refused(why)) => Failure::Never(why),
            error @ (Error::NotFound | Error::NoCard) => Failure::Never(error.to_string()),
            error => Failure::Later(error.to_string()),
        })
    }
}
