//! The one byte form of a row that hashes are taken over.

/// Builds unambiguous bytes: integers in eight bytes, texts and blobs behind their length, absent values tagged.
#[derive(Debug, Default, Clone)]
pub struct Canon(Vec<u8>);

impl Canon {
    /// Nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Starts over, keeping the memory.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// What was built.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// An integer.
    pub fn int(&mut self, value: i64) -> &mut Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    /// What the bytes after it are, where they may be different things.
    pub fn tag(&mut self, value: u8) -> &mut Self {
        self.0.push(value);
        self
    }

    /// An integer that may be absent.
    pub fn maybe_int(&mut self, value: Option<i64>) -> &mut Self {
        self.tag(u8::from(value.is_some()));
        if let Some(value) = value { self.int(value) } else { self }
    }

    /// Bytes.
    pub fn blob(&mut self, value: &[u8]) -> &mut Self {
        let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
        self.0.extend_from_slice(&length.to_le_bytes());
        self.0.extend_from_slice(value);
        self
    }

    /// A text.
    pub fn text(&mut self, value: &str) -> &mut Self {
        self.blob(value.as_bytes())
    }

    /// A text that may be absent.
    pub fn maybe_text(&mut self, value: Option<&str>) -> &mut Self {
        self.tag(u8::from(value.is_some()));
        if let Some(value) = value { self.text(value) } else { self }
    }
}
