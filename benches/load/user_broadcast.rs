//! Supabase's binary broadcasts: kind 03 from a client, kind 04 to one.

const PUSH: u8 = 3;
const PUSHED: u8 = 4;

/// A broadcast whose fields fit: its refs, topic and event have at most 255 bytes each.
#[derive(Debug, PartialEq, Eq)]
pub struct UserBroadcast<'a> {
    pub topic: &'a str,
    pub event: &'a str,
    /// The body is JSON, and leaves as text.
    pub is_json: bool,
    pub body: &'a [u8],
}

impl<'a> UserBroadcast<'a> {
    /// A client's frame.
    pub fn push(&self, join_ref: &str, reference: &str) -> Vec<u8> {
        self.encode(PUSH, &[join_ref, reference, self.topic, self.event, ""])
    }

    /// Reads a client's frame; None for any other.
    pub fn read(frame: &'a [u8]) -> Option<Self> {
        let ([PUSH, sizes @ .., encoding], rest) = frame.split_first_chunk::<7>()? else { return None };
        let [join_ref, reference, topic, event, meta] = sizes.map(usize::from);
        let (topic, rest) = rest.get(join_ref + reference..)?.split_at_checked(topic)?;
        let (event, rest) = rest.split_at_checked(event)?;
        let text = |bytes| std::str::from_utf8(bytes).ok();
        Some(Self { topic: text(topic)?, event: text(event)?, is_json: *encoding == 1, body: rest.get(meta..)? })
    }

    /// The text of a frame to a client; None for octets.
    pub fn text(&self) -> Option<String> {
        let body = std::str::from_utf8(self.body).ok().filter(|_| self.is_json)?;
        let Self { topic, event, .. } = self;
        Some(format!(r#"[null,null,"{topic}","broadcast",{{"type":"broadcast","event":"{event}","payload":{body}}}]"#))
    }

    /// A binary frame to a client; None for JSON.
    pub fn octets(&self) -> Option<Vec<u8>> {
        (!self.is_json).then(|| self.encode(PUSHED, &[self.topic, self.event, ""]))
    }

    fn encode(&self, kind: u8, fields: &[&str]) -> Vec<u8> {
        let mut frame = vec![kind];
        frame.extend(fields.iter().map(|field| field.len() as u8));
        frame.push(u8::from(self.is_json));
        fields.iter().for_each(|field| frame.extend_from_slice(field.as_bytes()));
        frame.extend_from_slice(self.body);
        frame
    }
}

/// The event `broadcast` and the body of a server's kind 04.
pub fn heard(frame: &[u8]) -> Option<(&'static [u8], &[u8])> {
    let ([PUSHED, sizes @ .., _encoding], rest) = frame.split_first_chunk::<5>()? else { return None };
    let header: usize = sizes.iter().map(|size| usize::from(*size)).sum();
    Some((b"broadcast", rest.get(header..)?))
}
