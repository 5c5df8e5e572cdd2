//! The program that protobuf's conformance runner talks to: requests on stdin, answers on stdout, each behind its length.
//!
//! `conformance-testee --record FILE` adds to FILE what was asked and answered, for `tests/conformance.rs` to replay.
//! What an answer is, `testee` says.

mod testee;

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;

use anyhow::Context as _;
use prost::Message as _;

use self::testee::{Request, Testee};

/// More than the runner ever sends.
const LENGTH_LIMIT: u32 = 64 << 20;

fn main() -> anyhow::Result<()> {
    let mut record = match arguments()? {
        Some(path) => {
            // The runner starts this program once for each of its suites, the next before the last one has ended.
            let file = OpenOptions::new().append(true).create(true).open(&path);
            Some(file.with_context(|| format!("{} cannot be written", path.display()))?)
        }
        None => None,
    };
    let mut testee = Testee::new().context("the messages of the suite")?;
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    while let Some(bytes) = read_block(&mut input)? {
        let request = Request::decode(&*bytes).context("a request")?;
        let response = testee.answer(&request);
        let bytes = response.encode_to_vec();
        output.write_all(&u32::try_from(bytes.len())?.to_le_bytes())?;
        output.write_all(&bytes)?;
        output.flush()?;
        if let (Some(record), Some(line)) = (&mut record, testee::line(&request, &response)) {
            record.write_all(format!("{line}\n").as_bytes())?;
        }
    }
    Ok(())
}

/// The file to record to.
fn arguments() -> anyhow::Result<Option<PathBuf>> {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match &*arguments {
        [] => Ok(None),
        [flag, path] if flag == "--record" => Ok(Some(path.into())),
        _ => anyhow::bail!("usage: conformance-testee [--record FILE]"),
    }
}

/// The next block behind its length; none at the end of the input.
fn read_block(input: &mut impl io::Read) -> anyhow::Result<Option<Vec<u8>>> {
    let mut length = Vec::with_capacity(4);
    input.take(4).read_to_end(&mut length)?;
    if length.is_empty() {
        return Ok(None);
    }
    let length = u32::from_le_bytes(length.as_slice().try_into().context("a length was cut short")?);
    anyhow::ensure!(length <= LENGTH_LIMIT, "a request of {length} bytes");
    let mut block = vec![0; usize::try_from(length)?];
    input.read_exact(&mut block)?;
    Ok(Some(block))
}
