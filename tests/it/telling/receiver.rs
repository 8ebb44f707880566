//! Somebody who is told: takes requests, answers as he is told to, and keeps what came.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Told {
    /// By lower-case name.
    pub headers: HashMap<String, String>,
    pub body: String,
}

impl Told {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

#[derive(Clone)]
pub struct Receiver {
    pub url: String,
    answers: Arc<Mutex<VecDeque<u16>>>,
    told: Arc<Mutex<Vec<Told>>>,
}

impl Receiver {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let receiver = Self { url, answers: Arc::default(), told: Arc::default() };
        let served = receiver.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let one = served.clone();
                tokio::spawn(async move { one.serve(stream).await });
            }
        });
        receiver
    }

    async fn serve(&self, mut stream: TcpStream) {
        let mut read = Vec::new();
        let (head, body) = loop {
            let mut chunk = [0; 4_096];
            let count = stream.read(&mut chunk).await.unwrap_or(0);
            if count == 0 {
                return;
            }
            read.extend_from_slice(&chunk[..count]);
            let text = String::from_utf8_lossy(&read).into_owned();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.to_lowercase();
            let length =
                length.split("content-length: ").nth(1).map_or("0", |rest| rest.lines().next().unwrap());
            if body.len() >= length.trim().parse::<usize>().unwrap() {
                break (head.to_owned(), body.to_owned());
            }
        };
        let mut lines = head.lines();
        lines.next();
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        self.told.lock().unwrap().push(Told { headers, body });
        let status = self.answers.lock().unwrap().pop_front().unwrap_or(200);
        let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
        let _ = stream.write_all(answer.as_bytes()).await;
    }

    /// The answers to come.
    pub fn answers(&self) -> std::sync::MutexGuard<'_, VecDeque<u16>> {
        self.answers.lock().unwrap()
    }

    /// Answers the next requests so; those after them with 200.
    pub fn will(&self, statuses: &[u16]) {
        self.answers.lock().unwrap().extend(statuses);
    }

    /// What came since this was last asked.
    pub fn told(&self) -> Vec<Told> {
        std::mem::take(&mut self.told.lock().unwrap())
    }
}
