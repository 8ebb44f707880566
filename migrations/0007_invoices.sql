-- Invoices and credit notes as they were issued. Nothing here ever changes. Amounts are minor units and positive, also
-- those of credit notes.

CREATE TABLE invoice_series (
    name        TEXT PRIMARY KEY,               -- such as INV-2026
    last_number INTEGER NOT NULL                -- taken by the newest of the series; 0: none yet
) STRICT, WITHOUT ROWID;
CREATE TRIGGER invoice_series_begin BEFORE INSERT ON invoice_series
    WHEN NEW.last_number <> 0 OR EXISTS (SELECT 1 FROM invoice_series WHERE name = NEW.name)
    BEGIN SELECT raise(ABORT, 'a series begins once, with nothing'); END;
CREATE TRIGGER invoice_series_count BEFORE UPDATE ON invoice_series
    WHEN NEW.name <> OLD.name OR NEW.last_number <> OLD.last_number + 1
    BEGIN SELECT raise(ABORT, 'a series counts up by one'); END;
CREATE TRIGGER invoice_series_stay BEFORE DELETE ON invoice_series
    BEGIN SELECT raise(ABORT, 'series stay'); END;

CREATE TABLE invoices (
    id              INTEGER PRIMARY KEY,
    kind            TEXT NOT NULL CHECK (kind IN ('invoice', 'credit_note')),
    series          TEXT NOT NULL REFERENCES invoice_series (name),
    number          INTEGER NOT NULL CHECK (number > 0),
    organization_id INTEGER NOT NULL REFERENCES organizations (id),
    corrects        INTEGER REFERENCES invoices (id),   -- a credit note's invoice
    reference       TEXT NOT NULL CHECK (reference <> ''), -- what it is for: one document of a kind for each
    issued_at       INTEGER NOT NULL,
    issue_day       INTEGER NOT NULL,           -- UTC
    currency        TEXT NOT NULL,
    net             INTEGER NOT NULL CHECK (net >= 0),
    tax             INTEGER NOT NULL CHECK (tax >= 0),
    total           INTEGER NOT NULL CHECK (total = net + tax),
    treatment       TEXT NOT NULL CHECK (treatment IN ('domestic', 'destination', 'reverse_charge', 'outside_scope')),
    rate            INTEGER NOT NULL CHECK (rate BETWEEN 0 AND 10000),  -- basis points
    tax_country     TEXT,
    note            TEXT NOT NULL,              -- what the law wants said about the tax; else empty
    reason          TEXT NOT NULL,              -- why a credit note was issued; else empty
    seller          TEXT NOT NULL,              -- JSON, as it was
    buyer           TEXT NOT NULL,              -- JSON, as it was
    vat_id_status   TEXT NOT NULL,              -- of the buyer, when it was issued
    vat_id_checked_at INTEGER,
    vat_id_answer   TEXT,
    evidence        TEXT NOT NULL,              -- JSON list: what says in which country the buyer is
    paid_at         INTEGER,
    paid_with       TEXT NOT NULL,              -- such as a card's brand and last digits
    UNIQUE (series, number),
    UNIQUE (kind, reference),
    CHECK ((kind = 'credit_note') = (corrects IS NOT NULL))
) STRICT;
CREATE INDEX invoices_by_organization ON invoices (organization_id, id);
CREATE INDEX invoices_by_corrected ON invoices (corrects) WHERE corrects IS NOT NULL;

-- Written before the document they are lines of: once that is there, no line is added.
CREATE TABLE invoice_lines (
    invoice_id  INTEGER NOT NULL REFERENCES invoices (id) DEFERRABLE INITIALLY DEFERRED,
    position    INTEGER NOT NULL CHECK (position > 0),
    description TEXT NOT NULL,
    quantity    INTEGER NOT NULL,               -- millionths
    net         INTEGER NOT NULL CHECK (net >= 0),
    PRIMARY KEY (invoice_id, position)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER invoices_are_final_u BEFORE UPDATE ON invoices BEGIN SELECT raise(ABORT, 'an issued invoice is final'); END;
CREATE TRIGGER invoices_are_final_d BEFORE DELETE ON invoices BEGIN SELECT raise(ABORT, 'an issued invoice is final'); END;
CREATE TRIGGER invoice_lines_are_final_u BEFORE UPDATE ON invoice_lines
    BEGIN SELECT raise(ABORT, 'an issued invoice is final'); END;
CREATE TRIGGER invoice_lines_are_final_d BEFORE DELETE ON invoice_lines
    BEGIN SELECT raise(ABORT, 'an issued invoice is final'); END;
CREATE TRIGGER invoice_lines_are_final_i BEFORE INSERT ON invoice_lines
    WHEN EXISTS (SELECT 1 FROM invoices WHERE id = NEW.invoice_id)
      OR EXISTS (SELECT 1 FROM invoice_lines WHERE invoice_id = NEW.invoice_id AND position = NEW.position)
    BEGIN SELECT raise(ABORT, 'an issued invoice is final'); END;
-- INSERT OR REPLACE would delete without the triggers above
CREATE TRIGGER invoices_are_final_r BEFORE INSERT ON invoices
    WHEN EXISTS (SELECT 1 FROM invoices WHERE id = NEW.id OR (series = NEW.series AND number = NEW.number)
        OR (kind = NEW.kind AND reference = NEW.reference))
    BEGIN SELECT raise(ABORT, 'an issued invoice is final'); END;
CREATE TRIGGER invoices_have_no_gaps BEFORE INSERT ON invoices
    WHEN NEW.number IS NOT (SELECT last_number FROM invoice_series WHERE name = NEW.series)
      OR NEW.number <> 1 + ifnull((SELECT max(number) FROM invoices WHERE series = NEW.series), 0)
    BEGIN SELECT raise(ABORT, 'invoice numbers have no gaps'); END;
CREATE TRIGGER invoices_add_up BEFORE INSERT ON invoices
    WHEN NEW.net IS NOT (SELECT sum(net) FROM invoice_lines WHERE invoice_id = NEW.id)
    BEGIN SELECT raise(ABORT, 'an invoice is the sum of its lines'); END;
CREATE TRIGGER credit_notes_stay_within BEFORE INSERT ON invoices
    WHEN NEW.kind = 'credit_note' AND NOT EXISTS (
        SELECT 1 FROM invoices i
        WHERE i.id = NEW.corrects AND i.kind = 'invoice' AND i.organization_id = NEW.organization_id
          AND i.currency = NEW.currency
          AND i.net >= NEW.net + (SELECT ifnull(sum(net), 0) FROM invoices WHERE corrects = i.id)
          AND i.tax >= NEW.tax + (SELECT ifnull(sum(tax), 0) FROM invoices WHERE corrects = i.id))
    BEGIN SELECT raise(ABORT, 'a credit note stays within its invoice'); END;

-- PDFs as they were first made: the same bytes for ever.
CREATE TABLE invoice_pdfs (
    invoice_id  INTEGER PRIMARY KEY REFERENCES invoices (id),
    content     BLOB NOT NULL CHECK (length(content) > 0),
    made_at     INTEGER NOT NULL
) STRICT;
CREATE TRIGGER invoice_pdfs_are_final_u BEFORE UPDATE ON invoice_pdfs
    BEGIN SELECT raise(ABORT, 'an issued invoice is final'); END;
CREATE TRIGGER invoice_pdfs_are_final_d BEFORE DELETE ON invoice_pdfs
    BEGIN SELECT raise(ABORT, 'an issued invoice is final'); END;
CREATE TRIGGER invoice_pdfs_are_final_r BEFORE INSERT ON invoice_pdfs
    WHEN EXISTS (SELECT 1 FROM invoice_pdfs WHERE invoice_id = NEW.invoice_id)
    BEGIN SELECT raise(ABORT, 'an issued invoice is final'); END;
