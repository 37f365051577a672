//! The company of the demo: Tidewater Prints, which prints posters and ships them.
//!
//! All addresses are of the networks that RFC 5737 and RFC 3849 reserve for documentation.

use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

/// The name of the company.
pub const NAME: &str = "Tidewater Prints";

/// An office.
#[derive(Debug, Clone, Copy)]
pub struct Site {
    /// Its name in an event.
    pub city: &'static str,
    /// Its time zone in the IANA database.
    pub zone: &'static str,
    /// The first three numbers of its addresses.
    network: &'static str,
}

/// The offices.
pub const SITES: [Site; 3] = [
    Site {
        city: "Berlin",
        zone: "Europe/Berlin",
        network: "192.0.2",
    },
    Site {
        city: "Lisbon",
        zone: "Europe/Lisbon",
        network: "198.51.100",
    },
    Site {
        city: "Halifax",
        zone: "America/Halifax",
        network: "198.51.100",
    },
];

/// The cities of the offices, for a sentence.
pub fn cities() -> String {
    let [first, second, third] = SITES.map(|site| site.city);
    format!("{first}, {second} and {third}")
}

/// What a person does at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Administers accounts and permissions.
    Administrator,
    /// Deploys the company's programs.
    Engineer,
    /// Sends invoices and receives payments.
    Finance,
    /// Draws and prints.
    Studio,
    /// Sells.
    Sales,
    /// Responds to customers.
    Support,
    /// Hires and approves leave.
    People,
}

/// A person with an account.
#[derive(Debug)]
pub struct Person {
    /// The account, such as `jonas.weber`.
    pub user_id: String,
    /// The work.
    pub role: Role,
    /// The office.
    pub site: Site,
    /// How much the person does, compared with the others.
    pub diligence: f64,
    /// The device at work, and the browser on it.
    pub device: (&'static str, &'static str),
}

/// The first administrator, whose account is misused on the suspicious evening.
pub const ADMINISTRATOR: usize = 0;

/// First names, last names, and the work. The first is [`ADMINISTRATOR`].
const STAFF: [(&str, &str, Role); 40] = [
    ("jonas", "weber", Role::Administrator),
    ("catarina", "ferreira", Role::Support),
    ("amara", "okafor", Role::Finance),
    ("lukas", "brandt", Role::Engineer),
    ("priya", "nair", Role::Sales),
    ("tomas", "novak", Role::Studio),
    ("beatriz", "almeida", Role::Support),
    ("grace", "macleod", Role::Sales),
    ("mehmet", "yilmaz", Role::Studio),
    ("hanna", "lindqvist", Role::People),
    ("diego", "morales", Role::Support),
    ("fatima", "el-amin", Role::Finance),
    ("owen", "fraser", Role::Engineer),
    ("clara", "schmidt", Role::Studio),
    ("rui", "carvalho", Role::Sales),
    ("noor", "haddad", Role::Support),
    ("ewa", "kowalska", Role::Studio),
    ("samuel", "leblanc", Role::Support),
    ("marta", "sousa", Role::Sales),
    ("anil", "kapoor", Role::Engineer),
    ("lena", "hoffmann", Role::Support),
    ("tiago", "pinto", Role::Studio),
    ("julia", "richter", Role::Finance),
    ("kofi", "mensah", Role::Sales),
    ("sofia", "rocha", Role::Support),
    ("paul", "neumann", Role::Engineer),
    ("yuki", "tanaka", Role::Studio),
    ("rachel", "boudreau", Role::Sales),
    ("miguel", "teixeira", Role::Administrator),
    ("katrin", "vogel", Role::People),
    ("daniel", "campbell", Role::Support),
    ("leila", "rahimi", Role::Studio),
    ("joana", "lopes", Role::Finance),
    ("felix", "krause", Role::Engineer),
    ("aoife", "byrne", Role::Sales),
    ("andre", "martins", Role::Studio),
    ("selin", "demir", Role::Support),
    ("victor", "gallant", Role::Sales),
    ("nadia", "petrova", Role::Studio),
    ("ben", "osei", Role::Support),
];

const DEVICES: [(&str, &str); 5] = [
    (
        "MacBook Pro",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) \
         Version/18.1 Safari/605.1.15",
    ),
    (
        "ThinkPad T14",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
         Chrome/131.0.0.0 Safari/537.36",
    ),
    (
        "Dell OptiPlex",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101 Firefox/133.0",
    ),
    (
        "ThinkPad X1",
        "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
    ),
    (
        "Surface Laptop",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
         Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0",
    ),
];

/// A customer: a number and a name.
pub const CUSTOMERS: [(u32, &str); 16] = [
    (10_021, "Café Morgenrot"),
    (10_034, "Oakfield Primary School"),
    (10_058, "Museu do Azulejo"),
    (10_102, "Nordlicht Kino"),
    (10_117, "Blue Heron Books"),
    (10_140, "Padaria Ribeiro"),
    (10_163, "Atlantic Ferries"),
    (10_188, "Galerie Sommer"),
    (10_205, "Halifax Jazz Festival"),
    (10_231, "Fahrrad Kollektiv"),
    (10_266, "Teatro da Ribeira"),
    (10_290, "Lund & Söhne"),
    (10_318, "Maritime Credit Union"),
    (10_347, "Quinta das Laranjeiras"),
    (10_371, "Stadtbücherei Pankow"),
    (10_402, "Peggy's Cove Inn"),
];

/// A document: its folder, its number and its title.
pub const DOCUMENTS: [(&str, u32, &str); 18] = [
    ("Studio", 4101, "Jazz Festival poster, third draft"),
    ("Studio", 4117, "Museum postcards, print sheet"),
    ("Studio", 4126, "Paper stock and colour profiles"),
    ("Studio", 4140, "Ferry timetable, spring edition"),
    ("Studio", 4163, "Bookshop bags, final artwork"),
    ("Sales", 2207, "Price list"),
    ("Sales", 2215, "Offer to Teatro da Ribeira"),
    ("Sales", 2231, "Framework contract with Atlantic Ferries"),
    ("Sales", 2248, "Notes of the trade fair in Porto"),
    ("Finance", 1302, "Budget of the next year"),
    ("Finance", 1311, "Open invoices"),
    ("Finance", 1326, "Bank accounts and mandates"),
    ("People", 1502, "Salary bands"),
    ("People", 1518, "Employment contracts"),
    ("People", 1533, "Onboarding checklist"),
    ("Company", 1004, "Emergency plan"),
    ("Company", 1012, "Minutes of the Monday meeting"),
    ("Company", 1020, "Travel rules"),
];

/// The people of the company. More than forty get names that are made from the first forty.
pub fn people(count: u32, rng: &mut StdRng) -> Vec<Person> {
    (0..count as usize)
        .map(|number| person(number, rng))
        .collect()
}

fn person(number: usize, rng: &mut StdRng) -> Person {
    let (first, last, role) = STAFF[number % STAFF.len()];
    let round = number / STAFF.len();
    // The last name of another one. From the forty-first round on, a number follows.
    let (_, other_last, _) = STAFF[(number + round) % STAFF.len()];
    let user_id = match round {
        0 => format!("{first}.{last}"),
        _ if round < STAFF.len() => format!("{first}.{other_last}"),
        _ => format!("{first}.{other_last}{round}"),
    };
    let site = match number {
        ADMINISTRATOR => SITES[0],
        _ => *SITES.choose(rng).unwrap_or(&SITES[0]),
    };
    Person {
        user_id,
        role,
        site,
        diligence: rng.random_range(0.4..2.0),
        device: *DEVICES.choose(rng).unwrap_or(&DEVICES[0]),
    }
}

impl Person {
    /// The address at the office.
    pub fn office_address(&self) -> String {
        format!("{}.{}", self.site.network, 10 + self.number() % 200)
    }

    /// The address at home.
    pub fn home_address(&self) -> String {
        format!("2001:db8:{:x}::{:x}", 0x1000 + self.number() % 0xe000, 2)
    }

    /// A number that belongs to the name.
    fn number(&self) -> u32 {
        let bytes = self.user_id.bytes();
        bytes.fold(7, |number: u32, byte| {
            number.wrapping_mul(31).wrapping_add(u32::from(byte))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use rand::SeedableRng;

    use super::*;

    #[test]
    fn every_person_has_an_account_of_their_own() {
        let people = people(5000, &mut StdRng::seed_from_u64(1));
        let accounts: HashSet<_> = people.iter().map(|person| &person.user_id).collect();
        assert_eq!(accounts.len(), people.len());
        assert_eq!(people[ADMINISTRATOR].user_id, "jonas.weber");
    }
}
