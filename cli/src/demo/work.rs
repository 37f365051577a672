//! What people and programs do, and the documents of these events.

use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};

use super::company::{CUSTOMERS, DOCUMENTS, Role};

/// Something that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    LoggedIn,
    LoggedOut,
    LoginFailed,
    PasswordReset,
    UserInvited,
    RoleGranted,
    RoleRevoked,
    DocumentViewed,
    DocumentEdited,
    DocumentShared,
    CustomerViewed,
    CustomerUpdated,
    QuoteSent,
    OrderReleased,
    TicketReplied,
    TicketClosed,
    InvoiceIssued,
    InvoicePaid,
    PaymentFailed,
    RefundGranted,
    LeaveApproved,
    ChangeApproved,
    DeploymentFinished,
    SettingChanged,
    /// A program made a copy of the databases.
    BackupCompleted,
    /// A program wrote the stock of one article.
    StockUpdated,
}

/// What a role does during the day, and how often compared with the rest.
pub fn daily_work(role: Role) -> &'static [(Act, u32)] {
    match role {
        Role::Administrator => &[
            (Act::DocumentViewed, 16),
            (Act::PasswordReset, 4),
            (Act::SettingChanged, 2),
            (Act::UserInvited, 2),
            (Act::RoleGranted, 2),
            (Act::RoleRevoked, 1),
        ],
        Role::Engineer => &[
            (Act::ChangeApproved, 14),
            (Act::DeploymentFinished, 9),
            (Act::DocumentViewed, 10),
            (Act::DocumentEdited, 5),
            (Act::SettingChanged, 1),
        ],
        Role::Finance => &[
            (Act::InvoicePaid, 20),
            (Act::InvoiceIssued, 15),
            (Act::DocumentViewed, 12),
            (Act::CustomerViewed, 6),
            (Act::DocumentEdited, 5),
            (Act::PaymentFailed, 2),
        ],
        Role::Studio => &[
            (Act::DocumentEdited, 30),
            (Act::DocumentViewed, 25),
            (Act::OrderReleased, 8),
            (Act::DocumentShared, 5),
        ],
        Role::Sales => &[
            (Act::CustomerViewed, 25),
            (Act::DocumentViewed, 14),
            (Act::CustomerUpdated, 12),
            (Act::QuoteSent, 10),
            (Act::DocumentShared, 3),
        ],
        Role::Support => &[
            (Act::CustomerViewed, 30),
            (Act::TicketReplied, 30),
            (Act::TicketClosed, 10),
            (Act::CustomerUpdated, 8),
            (Act::DocumentViewed, 4),
            (Act::RefundGranted, 2),
        ],
        Role::People => &[
            (Act::DocumentViewed, 18),
            (Act::DocumentEdited, 9),
            (Act::LeaveApproved, 5),
            (Act::UserInvited, 1),
        ],
    }
}

impl Act {
    /// The event type, and the service that reports it.
    pub fn name(self) -> (&'static str, &'static str) {
        match self {
            Act::LoggedIn => ("user_logged_in", "auth"),
            Act::LoggedOut => ("user_logged_out", "auth"),
            Act::LoginFailed => ("login_failed", "auth"),
            Act::PasswordReset => ("password_reset", "auth"),
            Act::UserInvited => ("user_invited", "directory"),
            Act::RoleGranted => ("role_granted", "directory"),
            Act::RoleRevoked => ("role_revoked", "directory"),
            Act::SettingChanged => ("setting_changed", "directory"),
            Act::LeaveApproved => ("leave_approved", "directory"),
            Act::DocumentViewed => ("document_viewed", "documents"),
            Act::DocumentEdited => ("document_edited", "documents"),
            Act::DocumentShared => ("document_shared", "documents"),
            Act::CustomerViewed => ("customer_viewed", "crm"),
            Act::CustomerUpdated => ("customer_updated", "crm"),
            Act::QuoteSent => ("quote_sent", "crm"),
            Act::TicketReplied => ("ticket_replied", "helpdesk"),
            Act::TicketClosed => ("ticket_closed", "helpdesk"),
            Act::InvoiceIssued => ("invoice_issued", "billing"),
            Act::InvoicePaid => ("invoice_paid", "billing"),
            Act::PaymentFailed => ("payment_failed", "billing"),
            Act::RefundGranted => ("refund_granted", "billing"),
            Act::OrderReleased => ("order_released", "print-queue"),
            Act::ChangeApproved => ("change_approved", "deploy"),
            Act::DeploymentFinished => ("deployment_finished", "deploy"),
            Act::BackupCompleted => ("backup_completed", "backup"),
            Act::StockUpdated => ("stock_updated", "stock-import"),
        }
    }

    /// The `app_data` of such an event. `colleague` is the account of another person.
    pub fn details(self, colleague: &str, rng: &mut StdRng) -> Value {
        match self {
            Act::LoggedIn => json!({
                "method": one_of(&["password", "password", "passkey"], rng),
                "second_factor": one_of(&["app", "security_key"], rng),
                "new_device": false,
            }),
            Act::LoggedOut => json!({ "reason": one_of(&["user", "user", "idle"], rng) }),
            Act::LoginFailed => json!({ "reason": "wrong_password", "attempt": 1 }),
            Act::PasswordReset => json!({ "of": colleague, "ticket": ticket(rng) }),
            Act::UserInvited => {
                json!({ "email": format!("{colleague}@partners.example"), "expires_in_days": 7 })
            }
            Act::RoleGranted | Act::RoleRevoked => json!({
                "to": colleague,
                "role": one_of(&["editor", "approver", "billing-read", "deployer"], rng),
                "ticket": ticket(rng),
            }),
            Act::SettingChanged => setting(rng),
            Act::LeaveApproved => json!({ "of": colleague, "days": rng.random_range(1..=10) }),
            Act::DocumentViewed => document(rng),
            Act::DocumentEdited => with(document(rng), "revision", json!(rng.random_range(2..60))),
            Act::DocumentShared => with(document(rng), "with", json!(colleague)),
            Act::CustomerViewed => customer(rng),
            Act::CustomerUpdated => with(customer(rng), "changes", change(rng)),
            Act::QuoteSent => with(customer(rng), "quote", amount("Q", rng)),
            Act::TicketReplied => with(customer(rng), "ticket", json!(ticket(rng))),
            Act::TicketClosed => json!({
                "ticket": ticket(rng),
                "resolution": one_of(&["solved", "solved", "duplicate", "refunded"], rng),
                "minutes_open": rng.random_range(4..2_000),
            }),
            Act::InvoiceIssued => with(customer(rng), "invoice", amount("INV", rng)),
            Act::InvoicePaid => {
                let paid = with(customer(rng), "invoice", amount("INV", rng));
                let method = one_of(&["transfer", "card", "direct_debit"], rng);
                with(paid, "method", json!(method))
            }
            Act::PaymentFailed => {
                let failed = with(customer(rng), "invoice", amount("INV", rng));
                let reason = one_of(&["card_expired", "insufficient_funds"], rng);
                with(failed, "reason", json!(reason))
            }
            Act::RefundGranted => {
                let refund = with(customer(rng), "refund", amount("R", rng));
                with(refund, "ticket", json!(ticket(rng)))
            }
            Act::OrderReleased => with(
                customer(rng),
                "order",
                json!({
                    "number": format!("O-{}", rng.random_range(30_000..39_999)),
                    "copies": rng.random_range(1..80) * 25,
                    "paper": one_of(&["135g matt", "170g gloss", "300g uncoated"], rng),
                }),
            ),
            Act::ChangeApproved => json!({
                "repository": repository(rng),
                "change": rng.random_range(200..1_400),
                "author": colleague,
            }),
            Act::DeploymentFinished => json!({
                "repository": repository(rng),
                "commit": format!("{:010x}", rng.random_range(0..1_u64 << 40)),
                "environment": one_of(&["staging", "staging", "production"], rng),
                "seconds": rng.random_range(40..420),
            }),
            Act::BackupCompleted => json!({
                "database": one_of(&["crm", "billing", "documents"], rng),
                "bytes": rng.random_range(2_000_000_000_u64..9_000_000_000),
                "seconds": rng.random_range(120..900),
            }),
            Act::StockUpdated => json!({
                "article": format!("PAP-{}", rng.random_range(100..999)),
                "before": rng.random_range(0..900),
                "after": rng.random_range(0..900),
            }),
        }
    }
}

fn one_of<'a>(choices: &[&'a str], rng: &mut StdRng) -> &'a str {
    choices.choose(rng).copied().unwrap_or_default()
}

fn with(mut details: Value, name: &str, value: Value) -> Value {
    if let Some(members) = details.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
    details
}

fn ticket(rng: &mut StdRng) -> String {
    format!("T-{}", rng.random_range(5_000..8_000))
}

fn repository(rng: &mut StdRng) -> &'static str {
    one_of(
        &[
            "webshop",
            "print-queue",
            "crm",
            "helpdesk",
            "infrastructure",
        ],
        rng,
    )
}

fn document(rng: &mut StdRng) -> Value {
    let (folder, number, title) = DOCUMENTS[rng.random_range(0..DOCUMENTS.len())];
    json!({ "document": number, "folder": folder, "title": title })
}

fn customer(rng: &mut StdRng) -> Value {
    let (number, name) = CUSTOMERS[rng.random_range(0..CUSTOMERS.len())];
    json!({ "customer": { "number": number, "name": name } })
}

/// An amount is text, because a number could lose its cents.
fn amount(series: &str, rng: &mut StdRng) -> Value {
    let currency = one_of(&["EUR", "EUR", "CAD"], rng);
    json!({
        "number": format!("{series}-{}", rng.random_range(70_000..79_999)),
        "amount": format!("{}.{:02}", rng.random_range(20..4_000), rng.random_range(0..100)),
        "currency": currency,
    })
}

fn change(rng: &mut StdRng) -> Value {
    let (field, before, after) = *[
        ("phone", "+49 30 555 0142", "+49 30 555 0178"),
        (
            "billing_email",
            "office@customer.example",
            "accounts@customer.example",
        ),
        ("payment_terms", "14 days", "30 days"),
        ("delivery_note", "", "Ring the bell at the side door"),
    ]
    .choose(rng)
    .unwrap_or(&("phone", "", ""));
    json!({ field: { "before": before, "after": after } })
}

fn setting(rng: &mut StdRng) -> Value {
    let (setting, before, after) = *[
        ("session.idle_minutes", "30", "20"),
        ("mail.footer", "2025", "2026"),
        ("webshop.maintenance", "off", "on"),
        ("printers.default_paper", "135g matt", "170g gloss"),
    ]
    .choose(rng)
    .unwrap_or(&("mail.footer", "", ""));
    json!({ "setting": setting, "before": before, "after": after })
}
