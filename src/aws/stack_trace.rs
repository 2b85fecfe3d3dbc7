//! Java stack traces in a log: what went wrong is in a few lines, and the frames between them are many.

/// The last `keep` lines once each run of stack frames is cut down to its first, which is where it was thrown.
pub(super) fn shortened(lines: Vec<String>, keep: usize) -> Vec<String> {
    let mut short: Vec<String> = Vec::new();
    let mut left_out = 0;
    let mut in_trace = false;
    for line in lines {
        let frame = is_frame(&line);
        if frame && in_trace {
            left_out += 1;
            continue;
        }
        note(&mut short, &mut left_out);
        in_trace = frame;
        short.push(line);
    }
    note(&mut short, &mut left_out);
    while short.last().is_some_and(|line| line.trim().is_empty()) {
        short.pop();
    }
    short.split_off(short.len().saturating_sub(keep))
}

fn note(short: &mut Vec<String>, left_out: &mut usize) {
    if *left_out > 0 {
        short.push(format!("\t… {left_out} more"));
        *left_out = 0;
    }
}

/// `\tat org.example.Shop.main(Shop.java:1)`, and the JVM's own `\t... 21 common frames omitted`.
fn is_frame(line: &str) -> bool {
    line.starts_with(char::is_whitespace)
        && (line.trim_start().starts_with("at ") || line.trim_start().starts_with("... "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn causes_and_where_they_were_thrown_stay() {
        let log = "ERROR Application run failed\n\tat a.A.b(A.java:1)\n\tat a.A.c(A.java:2)\n\t... 21 common frames omitted\n\
                   Caused by: java.lang.IllegalStateException: no words\n\tat d.D.e(D.java:3)\n\n";
        let short = "ERROR Application run failed\n\tat a.A.b(A.java:1)\n\t… 2 more\n\
                     Caused by: java.lang.IllegalStateException: no words\n\tat d.D.e(D.java:3)";
        assert_eq!(shortened(lines(log), 20), lines(short));
        assert_eq!(shortened(lines(log), 2), lines(short)[3..]);
    }

    #[test]
    fn a_log_without_a_trace_stays_as_it_is() {
        let log = lines("at last\n  indented\nend");
        assert_eq!(shortened(log.clone(), 20), log);
        assert!(shortened(Vec::new(), 20).is_empty());
    }
}
