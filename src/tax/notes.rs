//! What an invoice says about tax that it does not charge.
//!
//! The words for the reverse charge are those of article 226 (11a) of Directive 2006/112/EC in each language.

use super::treatment::Kind;
use crate::base::Locale;

pub(super) const fn note(kind: Kind, locale: Locale) -> Option<&'static str> {
    match kind {
        Kind::Domestic | Kind::Destination => None,
        Kind::ReverseCharge => Some(reverse_charge(locale)),
        Kind::OutsideScope => Some(outside_scope(locale)),
    }
}

const fn reverse_charge(locale: Locale) -> &'static str {
    match locale {
        Locale::En => "Reverse charge (Article 196 of Directive 2006/112/EC): VAT is due from the customer.",
        Locale::De => {
            "Steuerschuldnerschaft des Leistungsempfängers (Artikel 196 der Richtlinie 2006/112/EG)."
        }
        Locale::Es => "Inversión del sujeto pasivo (artículo 196 de la Directiva 2006/112/CE).",
        Locale::Fr => "Autoliquidation (article 196 de la directive 2006/112/CE).",
        Locale::It => "Inversione contabile (articolo 196 della direttiva 2006/112/CE).",
        Locale::Nl => "Btw verlegd (artikel 196 van Richtlijn 2006/112/EG).",
        Locale::Pt => "Autoliquidação (artigo 196.º da Diretiva 2006/112/CE).",
    }
}

const fn outside_scope(locale: Locale) -> &'static str {
    match locale {
        Locale::En => "Outside the scope of EU VAT (Articles 44 and 58 of Directive 2006/112/EC).",
        Locale::De => "Nicht im Gebiet der EU-Mehrwertsteuer (Artikel 44 und 58 der Richtlinie 2006/112/EG).",
        Locale::Es => "Operación no sujeta al IVA de la UE (artículos 44 y 58 de la Directiva 2006/112/CE).",
        Locale::Fr => "Hors du champ de la TVA de l'UE (articles 44 et 58 de la directive 2006/112/CE).",
        Locale::It => "Fuori campo IVA UE (articoli 44 e 58 della direttiva 2006/112/CE).",
        Locale::Nl => {
            "Buiten het toepassingsgebied van de EU-btw (artikelen 44 en 58 van Richtlijn 2006/112/EG)."
        }
        Locale::Pt => "Fora do âmbito do IVA da UE (artigos 44.º e 58.º da Diretiva 2006/112/CE).",
    }
}
