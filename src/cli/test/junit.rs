//! Results as `JUnit` XML, as GitLab, Jenkins and GitHub's reporters read it: a suite for each fixture, a case for the fixture
//! itself and one for each drill.

use std::time::Duration;

use super::Case;

pub(super) fn write(cases: &[Case]) -> String {
    let mut suites = String::new();
    let (mut n_tests, mut n_failures) = (0, 0);
    for case in cases {
        let path = case.path.display().to_string();
        let tested = &case.tested;
        let mut inner = one(&path, &tested.about, "", &tested.failures, None);
        let mut failed = usize::from(!tested.failures.is_empty());
        for drill in &tested.drills {
            let name = format!("without {}", drill.call);
            let skipped = drill.unanswered.as_ref().map(|it| format!("no line answers {it}"));
            inner.push_str(&one(&path, &name, "drill", &drill.failures, skipped.as_deref()));
            failed += usize::from(!drill.failures.is_empty());
        }
        let tests = 1 + tested.drills.len();
        let skipped = tested.drills.iter().filter(|it| it.unanswered.is_some()).count();
        (n_tests, n_failures) = (n_tests + tests, n_failures + failed);
        suites.extend([
            "  <testsuite name=\"",
            &escaped(&path),
            &format!(
                "\" tests=\"{tests}\" failures=\"{failed}\" skipped=\"{skipped}\" time=\"{}\">\n",
                seconds(case.took)
            ),
            &inner,
            "  </testsuite>\n",
        ]);
    }
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"weft\" tests=\"{n_tests}\" \
         failures=\"{n_failures}\">\n{suites}</testsuites>\n"
    )
}

fn one(path: &str, name: &str, kind: &str, failures: &[String], skipped: Option<&str>) -> String {
    let name = if name.is_empty() { path } else { name };
    let class = if kind.is_empty() {
        path.to_owned()
    } else {
        format!("{path} {kind}")
    };
    let mut out = format!(
        "    <testcase classname=\"{}\" name=\"{}\"",
        escaped(&class),
        escaped(name)
    );
    if failures.is_empty() && skipped.is_none() {
        out.push_str("/>\n");
        return out;
    }
    out.push_str(">\n");
    for failure in failures {
        let first = failure.lines().next().unwrap_or_default();
        out.extend([
            "      <failure message=\"",
            &escaped(first),
            "\">",
            &escaped(failure),
            "</failure>\n",
        ]);
    }
    if let Some(reason) = skipped {
        out.extend(["      <skipped message=\"", &escaped(reason), "\"/>\n"]);
    }
    out.push_str("    </testcase>\n");
    out
}

fn seconds(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64())
}

/// Text that may stand in XML 1.0; characters that may not are left out.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for it in text.chars() {
        match it {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push('\t'),
            _ if it < ' ' || matches!(it, '\u{fffe}' | '\u{ffff}') => {}
            _ => out.push(it),
        }
    }
    out
}
