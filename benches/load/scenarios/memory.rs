//! What an idle connection that has joined a room, or a topic of broadcasts, keeps in memory.

use std::sync::Arc;

use crate::{
    client::{Fleet, Join},
    error::LoadError,
    lab::{Lab, Meter, settle},
    report::{Goal, Report, Row},
    server::{Server, Subject},
};

const MEMBERS: usize = 20;
const STEPS: [usize; 2] = [1_000, 5_000];
/// What supabase-js asks for where nobody looks at presences.
const TOPIC_CONFIG: &str = r#"{"broadcast":{"ack":false,"self":false},"presence":{"enabled":false},"private":false}"#;

/// What the connections join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Rooms { clocks: bool },
    Topics,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Rooms { clocks: false } => "without clocks",
            Self::Rooms { clocks: true } => "with clocks",
            Self::Topics => "on realtime topics",
        }
    }

    fn clocks(self) -> bool {
        self == Self::Rooms { clocks: true }
    }
}

pub fn measure(lab: &Lab, report: &mut Report) -> Result<(), LoadError> {
    let most = lab.connections(lab.options.connections) / MEMBERS * MEMBERS;
    let mut steps: Vec<usize> = STEPS.into_iter().filter(|step| *step < most).collect();
    steps.push(most);
    report.title(&format!(
        "Memory: rooms and topics of {MEMBERS}, up to {most} connections ({} open files for each process)",
        lab.open_files
    ));
    for kind in [Kind::Rooms { clocks: false }, Kind::Rooms { clocks: true }, Kind::Topics] {
        let mut bare = vec![None; steps.len()];
        for subject in lab.subjects(kind.clocks()).into_iter().rev() {
            let kib = climb(lab, report, subject, &steps, kind)?;
            if subject != Subject::Downbeat {
                bare = kib.into_iter().map(Some).collect();
                continue;
            }
            for ((step, kib), bare) in steps.iter().zip(kib).zip(&bare) {
                let name = format!("RSS per joined idle connection, {step}, {}", kind.name());
                report.row(Row::new(name, "KiB", kib, Goal::AtMost(6.0)).beside(*bare));
            }
        }
    }
    Ok(())
}

/// The KiB for each connection at every step: all that the process has grown by, rooms included.
fn climb(lab: &Lab, report: &Report, subject: Subject, steps: &[usize], kind: Kind) -> Result<Vec<f64>, LoadError> {
    let server = lab.start(subject)?;
    let mut fleet = Fleet::new()?;
    settle(&mut fleet, 300_000)?;
    let empty_kib = server.rss_kib()?;
    let mut figures = Vec::new();
    for step in steps {
        let count = (step - fleet.len()) / MEMBERS;
        let before_kib = server.rss_kib()?;
        let joins = joins(&server, kind, figures.len(), count)?;
        let rooms_kib = server.rss_kib()?.saturating_sub(before_kib) as f64 / count as f64;
        let meter = Meter::start(&server)?;
        fleet.join(server.address, &joins)?;
        let joining = meter.read()?;
        settle(&mut fleet, 2_000_000)?;
        let meter = Meter::start(&server)?;
        settle(&mut fleet, 1_000_000)?;
        let (idle, _) = meter.read()?.shares();
        let kib = server.rss_kib()?.saturating_sub(empty_kib) as f64 / *step as f64;
        report.note(&format!(
            "{subject:?}, {}: {step} connections · {kib:.2} KiB each ({rooms_kib:.1} for an empty room) · idle {idle:.1} % of a core · joined in {:.1} s",
            kind.name(),
            joining.elapsed_us / 1e6
        ));
        figures.push(kib);
    }
    Ok(figures)
}

/// The next joins, rooms made for them where there are rooms.
fn joins(server: &Server, kind: Kind, step: usize, count: usize) -> Result<Vec<Join>, LoadError> {
    let Kind::Rooms { clocks } = kind else {
        let topics = (0..count).map(|number| Arc::from(format!("realtime:load-{step}-{number}")));
        let joins = topics.map(|topic| vec![server.topic_join(&topic, false, TOPIC_CONFIG); MEMBERS]);
        return Ok(joins.flatten().collect());
    };
    Ok(server.joins(&server.rooms(count, MEMBERS, clocks)?, MEMBERS))
}
