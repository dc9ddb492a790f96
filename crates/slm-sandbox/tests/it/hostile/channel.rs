//! Writes into the result pipe, in the runner's own format.

use slm_sandbox::{Budget, Job, Limits, Node, Returned, Value, Verdict, Work};

use super::{Outside, STRONGEST, asserts_of, calls_of, check, forged, nonce, short};

/// Writes frames as the runner would: `frame(text)`, and `raw(bytes)` unmodified.
const PEN: &str = "import os
def raw(data):
    while data:
        data = data[os.write(4, data):]
def frame(text):
    data = text if type(text) is bytes else text.encode()
    raw(len(data).to_bytes(4, 'big') + data)
def s(text):
    return 's%d:%s' % (len(text), text)
";

/// Runs a wrong program that begins with the output of `frames`.
fn forged_by(frames: &str) {
    let wrong = "def f(*_):\n    return 2\n";
    for program in [
        format!("{PEN}{frames}\n{wrong}"),
        format!("{PEN}{wrong}{frames}\nos._exit(0)"),
        format!(
            "{PEN}def f(*_):\n    {}\n    return 2",
            frames.replace('\n', "\n    ")
        ),
    ] {
        forged(&program, &["assert f() == 1"]);
    }
}

#[test]
fn a_forged_test_passes_nothing() {
    forged_by("frame('t5;' + s('test') + 'i0;N' + s('') + 'f0.0;')");
}

#[test]
fn a_forged_end_passes_nothing() {
    forged_by("frame('t1;' + s('loaded'))\nframe('t3;' + s('end') + 'i0;f0.0;')");
}

#[test]
fn all_forged_together_pass_nothing() {
    forged_by(
        "frame('t1;' + s('begun'))
frame('t1;' + s('loaded'))
frame('t5;' + s('test') + 'i0;N' + s('') + 'f0.0;')
frame('t1;' + s('end'))",
    );
}

#[test]
fn forged_answers_of_other_values_pass_nothing() {
    forged_by("for _ in range(50):\n    frame('t4;' + s('done') + 'Fi2;l0;')");
}

#[test]
fn an_unasked_for_request_runs_nothing_in_the_harness() {
    forged_by("for _ in range(3):\n    frame('t3;' + s('do') + s('exit') + 'l0;')");
}

#[test]
fn forged_frames_on_every_descriptor_pass_nothing() {
    forged_by(
        "for fd in range(64):
    try:
        data = ('t5;' + s('test') + 'i0;N' + s('') + 'f0.0;').encode()
        os.write(fd, len(data).to_bytes(4, 'big') + data)
    except OSError:
        pass",
    );
}

#[test]
fn noise_passes_nothing() {
    for noise in [
        "raw(b'\\0' * 1000)",
        "raw(b'\\xff' * 1000)",
        "raw(b'\\0\\0\\0\\1')",
        "frame('')",
        "frame(b'\\xff\\xfe')",
        "frame('t1;' + s('passed'))",
        "frame('t999999999999999999999;')",
        "frame('t-1;')",
        "frame('s99999999999999999999:x')",
        "frame('l3;NN')",
        "frame('r0;')",
        "frame('t1;r0;')",
        "frame('i;')",
        "frame('f;')",
        "frame('t3;s2:do')",
        "frame('t4;s4:done')",
        "frame('t4;s4:doneFNl1;t2;i99;l0;')",
        "frame('t4;s4:doneFNl1;t2;i-1;l0;')",
        "frame('t4;s4:doneFNl1;i5;')",
        "frame('t4;s4:doneTNl0;')",
        "frame('t4;s4:doneTl4;Y3:intl0;s0:i0;l0;')",
        "frame('t4;s4:doneFH99;l0;')",
        "frame('t4;s4:doneFa99;l0;')",
        "frame('t4;s4:doneFa-1;l0;')",
        "frame('t4;s4:doneFt1;r2;l0;')",
        "frame('t4;s4:doneFMs9:os.systemt1;s2:lsl0;')",
        "frame('t4;s4:doneFIs5:Pointd0;l0;')",
        "frame('t4;s4:doneFYs4:evall0;')",
        "frame('t4;s4:doneFXs4:Evils3:intl0;')",
    ] {
        forged_by(noise);
    }
}

#[test]
fn a_frame_of_four_gigabytes_is_a_violation() {
    let program =
        format!("{PEN}raw(b'\\xff\\xff\\xff\\xff')\nwhile True:\n    raw(bytes(1 << 16))");
    check(
        STRONGEST,
        &asserts_of(&program, &["assert True"]),
        &Limits::default(),
        |outcome| {
            assert_eq!(outcome.verdict, Verdict::Violation, "{outcome:#?}");
        },
    );
}

#[test]
fn a_flood_of_frames_is_ended() {
    let program = format!("{PEN}while True:\n    frame('t4;s4:doneFi2;l0;')");
    check(
        STRONGEST,
        &asserts_of(&program, &["assert True"]),
        &short(),
        |outcome| {
            assert_ne!(outcome.verdict, Verdict::Passed, "{outcome:#?}");
        },
    );
}

#[test]
fn a_frame_nested_without_end_is_no_trouble_for_the_harness() {
    for opening in ["l1;", "t1;", "d1;N", "Is1:x", "RNN", "Z1;"] {
        forged_by(&format!("frame({opening:?} * 100000)"));
        forged_by(&format!(
            "frame('t4;s4:doneF' + {opening:?} * 100000 + 'Nl0;')"
        ));
        let attack = format!(
            "{PEN}def attack():\n    frame('t4;' + s('output') + 'i0;f0.0;' + {opening:?} * 990 + 'N' * 2000)"
        );
        check(STRONGEST, &calls_of(&attack), &short(), |outcome| {
            assert_ne!(outcome.verdict, Verdict::Passed, "{outcome:#?}");
        });
    }
}

/// A job whose call returns the value in `frames`.
fn value_of(frames: &str) -> Job {
    calls_of(&format!(
        "{PEN}def attack():\n    frame('t4;' + s('output') + 'i0;f0.0;' + {frames})\n    os._exit(0)"
    ))
}

/// Checks that the harness can compare the value with a plain value and with itself.
fn compares(frames: &str) {
    let expected = calls_of(
        "def attack():\n    return [{1, 2}, {1: 2}, (1, 2), frozenset([(1, 2)]), range(3), 1, 2.5]",
    );
    let mut values = Vec::new();
    for job in [&expected, &value_of(frames)] {
        let collected = std::cell::RefCell::new(Vec::new());
        check(STRONGEST, job, &Limits::default(), |outcome| {
            let values = outcome
                .calls
                .iter()
                .filter_map(|call| match &call.returned {
                    Returned::Value(value) => Some(value.clone()),
                    _ => None,
                });
            collected.borrow_mut().extend(values);
        });
        values.push(collected.into_inner());
    }
    for hostile in &values[1] {
        for plain in &values[0] {
            let budget = &mut Budget::for_parts(hostile.parts() + plain.parts());
            assert_ne!(hostile.equals(plain, budget), Ok(true));
            assert_ne!(plain.equals(hostile, budget), Ok(true));
            let Node::List(items) = plain.root() else {
                panic!("a list")
            };
            for &item in items {
                let budget = &mut Budget::for_parts(hostile.parts() + plain.parts());
                assert_ne!(
                    hostile.parts_equal(Value::ROOT, plain, item, budget),
                    Ok(true)
                );
                assert_ne!(
                    plain.parts_equal(item, hostile, Value::ROOT, budget),
                    Ok(true)
                );
            }
        }
        let budget = &mut Budget::for_parts(2 * hostile.parts());
        let _ = hostile.equals(hostile, budget);
        let text = String::from(hostile.clone());
        assert!(!text.is_empty());
    }
}

#[test]
fn a_tuple_that_contains_itself_is_compared_without_harm() {
    compares("'t1;r1;'");
    compares("'S1;t1;r2;'");
    compares("'Z1;Z1;r1;'");
    compares("'d1;t1;r2;N'");
}

#[test]
fn parts_shared_a_billionfold_are_compared_without_harm() {
    // (((...), (...)), ((...), (...))): sixty levels of text, and 2^60 leaves.
    compares("'S1;' + 't2;' * 60 + 'N' + ''.join('r%d;' % n for n in range(61, 1, -1)) + ''");
    compares("'S1;' + 't2;' * 60 + 'NN' + ''.join('r%d;' % n for n in range(61, 2, -1))");
    compares("'d1;' + 't2;' * 60 + 'NN' + ''.join('r%d;' % n for n in range(61, 2, -1)) + 'N'");
    compares("'t2;' * 60 + 'NN' + ''.join('r%d;' % n for n in range(60, 1, -1))");
    compares("'l2;' * 60 + 'NN' + ''.join('r%d;' % n for n in range(60, 1, -1))");
}

#[test]
fn a_value_that_holds_its_own_message_is_a_violation() {
    for value in [
        "'r0;'",
        "'l1;r0;'",
        "'l1;' * 900 + 'r0;'",
        "'l1;' * 996 + 'r0;'",
        "'t1;' * 996 + 'r0;'",
        "'d1;r0;N'",
        "'Ms1:xr0;'",
    ] {
        check(STRONGEST, &value_of(value), &short(), |outcome| {
            assert_eq!(outcome.verdict, Verdict::Violation, "{value}: {outcome:#?}");
        });
    }
}

#[test]
fn a_long_text_in_a_message_is_cut() {
    for (length, most) in [(5_000, 5_000), (1 << 18, 5_000)] {
        let program = format!(
            "{PEN}frame('t3;' + s('fault') + s('error') + s('\u{e4}' * {length}))\nos._exit(0)"
        );
        check(
            STRONGEST,
            &asserts_of(&program, &["assert True"]),
            &short(),
            |outcome| {
                assert!(outcome.detail.len() < most, "{}", outcome.detail.len());
                assert!(
                    outcome.detail.ends_with("more bytes)"),
                    "{}",
                    outcome.detail
                );
            },
        );
    }
}

#[test]
fn a_message_of_megabytes_is_a_violation() {
    for frame in [
        "'t3;' + s('fault') + s('error') + s('x' * (63 << 20))",
        "'t5;' + s('raised') + 'i0;f0.0;' + s('error') + s('x' * (2 << 20))",
        "'t1;' + s('x' * (2 << 20))",
        "'s%d:' % (63 << 20) + 'x' * (63 << 20)",
    ] {
        let program = format!("{PEN}frame({frame})\nos._exit(0)");
        check(
            STRONGEST,
            &asserts_of(&program, &["assert True"]),
            &Limits::default(),
            |outcome| {
                assert_eq!(
                    outcome.verdict,
                    Verdict::Violation,
                    "{}",
                    outcome.detail.len()
                );
                assert!(outcome.detail.len() < 5_000);
            },
        );
    }
}

#[test]
fn ranges_of_astronomical_size_are_compared_without_harm() {
    compares("'Ri-' + '7' + 'f' * 31 + ';i7' + 'f' * 31 + ';i1;'");
    compares("'Ri-' + '8' + '0' * 31 + ';i7' + 'f' * 31 + ';i-1;'");
    compares("'Ri0;i7' + 'f' * 31 + ';i7' + 'f' * 31 + ';'");
    compares("'Ri7' + 'f' * 31 + ';i-7' + 'f' * 31 + ';i-8' + '0' * 31 + ';'");
    compares("'Ri' + 'f' * 1000 + ';i0;i1;'");
    compares("'Ri0;i1;i0;'");
    compares("'RNNN'");
}

#[test]
fn odd_numbers_and_names_are_compared_without_harm() {
    for value in [
        "'fnan;'",
        "'finf;'",
        "'f1e400;'",
        "'f-0.0;'",
        "'i-0;'",
        "'i' + '0' * 100 + '7;'",
        "'cnan,nan;'",
        "'Ms1:xt0;'",
        "'MNN'",
        "'INN'",
        "'XNN'",
        "'YN'",
        "'h7;s1:xQ'",
        "'h7;NN'",
        "'d2;NNNN'",
        "'S2;NN'",
        "'Z1;l0;'",
    ] {
        compares(value);
    }
}

#[test]
fn millions_of_parts_do_not_fill_the_memory_of_the_harness() {
    // One byte each in the pipe, forty in the harness.
    let job = value_of("'l60000000;' + 'N' * 60000000");
    check(STRONGEST, &job, &Limits::default(), |outcome| {
        assert_eq!(
            outcome.verdict,
            Verdict::OutputLimit,
            "{:?}",
            outcome.verdict
        );
    });
    let resident = std::fs::read_to_string("/proc/self/status").expect("our own status");
    let peak = resident.lines().find_map(|line| {
        line.strip_prefix("VmHWM:")?
            .trim()
            .strip_suffix(" kB")?
            .parse::<u64>()
            .ok()
    });
    assert!(
        peak.is_some_and(|kibibytes| kibibytes < 1 << 20),
        "{peak:?}"
    );
}

/// Runs a program that sends its own requests while the tests wait for its answer, and searches for the tests'
/// data. `find` is Python code that has `ask(operation, *operands)`, whose operands are text in the pipe's
/// format and which returns the undecoded answer.
fn asks(test: &str, find: &str) {
    let secret = nonce();
    let outside = Outside::new();
    let program = format!(
        "{PEN}
def read(count):
    data = b''
    while len(data) < count:
        part = os.read(3, count - len(data))
        if not part:
            os._exit(1)
        data += part
    return data
def ask(operation, *operands):
    frame('t3;' + s('do') + s(operation) + 'l%d;' % len(operands) + ''.join(operands))
    answer = read(int.from_bytes(read(4), 'big')).decode('utf-8', 'replace')
    print(operation, operands, answer[:2000])
    return answer
def handle(answer, skip=0):
    import re
    found = re.findall(r'h(\\d+);', answer)
    return 'H%s;' % found[skip] if len(found) > skip else 'N'
def call(function, *arguments):
    return ask('call', function, 'l%d;' % len(arguments) + ''.join(arguments), 'd0;')
{}
def f(*_):
    {}
    return 2",
        outside.names(),
        find.replace('\n', "\n    ")
    );
    let job = Job {
        program,
        preamble: String::new(),
        work: Work::Asserts {
            setup: format!(
                "EXPECTED = '{secret}'\nclass Helper:\n    def method(self):\n        return EXPECTED[:0]\n"
            ),
            entry_point: "f".into(),
            tests: vec![test.into()],
        },
        tree: None,
    };
    check(STRONGEST, &job, &short(), |outcome| {
        assert_ne!(outcome.verdict, Verdict::Passed, "{outcome:#?}");
        assert_eq!(outcome.pass_ratio(), Some(0.0), "{outcome:#?}");
        let printed = String::from_utf8_lossy(&outcome.output);
        assert!(!printed.contains(&secret), "{printed}");
        // The program reached its request.
        assert!(
            printed.contains("do") || printed.contains("getattr") || printed.contains("call"),
            "{printed}"
        );
    });
}

#[test]
fn a_callback_of_the_tests_does_not_tell_what_they_know() {
    asks(
        "assert f(lambda x: EXPECTED and x) == 1",
        "ask('getattr', 'H0;', s('__globals__'))\nask('getattr', 'H0;', s('__code__'))\nask('getattr', 'H0;', s('__closure__'))\nask('dir', 'H0;')",
    );
}

#[test]
fn a_generator_of_the_tests_does_not_tell_what_they_know() {
    asks(
        "assert f(EXPECTED[:0] for _ in range(3)) == 1",
        "frame_of = ask('getattr', 'H0;', s('gi_frame'))\nask('getattr', handle(frame_of), s('f_globals'))",
    );
}

#[test]
fn an_instance_of_the_tests_does_not_tell_what_they_know() {
    asks(
        "assert f(Helper()) == 1",
        "method = ask('getattr', 'H0;', s('method'))\nfunction = ask('getattr', handle(method), s('__func__'))\nask('getattr', handle(function), s('__globals__'))\nask('getattr', handle(method), s('__globals__'))",
    );
}

#[test]
fn builtin_types_are_no_way_into_the_process_of_the_tests() {
    // From any object to all classes, and from there to a module with exec.
    asks(
        "assert f(1) == 1",
        "classes = ask('getattr', 'Y' + s('object'), s('__subclasses__'))
found = call(handle(classes))
for i in range(found.count('h')):
    init = ask('getattr', handle(found, i), s('__init__'))
    ask('getattr', handle(init), s('__globals__'))
    if i > 20:
        break
ask('getattr', s('x'), s('__class__'))
ask('getattr', 'Y' + s('len'), s('__self__'))",
    );
}

#[test]
fn text_that_formats_itself_does_not_tell_what_the_tests_know() {
    asks(
        "assert f(lambda x: EXPECTED and x, Helper()) == 1",
        "format_method = ask('getattr', s('{0.__globals__}{0.__code__.co_consts}'), s('format'))
call(handle(format_method), 'H0;')
ask('format', 'H0;', s('{0.__globals__}'))
call('Y' + s('map'), handle(format_method), 'l1;H0;')",
    );
}

#[test]
fn objects_of_the_tests_cannot_be_changed_under_their_hands() {
    asks(
        "assert Helper().method() == '' and f(Helper(), lambda: 1) == 1",
        "ask('setattr', 'H0;', s('__class__'), 'Y' + s('int'))
ask('setattr', 'H1;', s('__code__'), 'N')
ask('delattr', 'H0;', s('method'))
ask('setattr', 'Y' + s('int'), s('__eq__'), 'N')
kind = ask('getattr', 'H0;', s('__class__'))
ask('setattr', handle(kind), s('__eq__'), 'H1;')",
    );
}

#[test]
fn no_module_of_the_tests_process_can_be_fetched() {
    asks(
        "assert f(1) == 1",
        "ask('global', s('EXPECTED'))\nask('global', s('peer'))\nask('global', s('__builtins__'))",
    );
}
