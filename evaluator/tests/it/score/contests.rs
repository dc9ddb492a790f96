//! Programs and functions of contests, scored by the rules of their publishers.

use serde_json::{Value, json};

use super::{check_answers, check_programs};

#[test]
fn programs_of_contests_are_judged_by_what_they_print() {
    let apps = json!({
        "problem_id": 1, "question": "Print the sum of two numbers, and its half.", "starter_code": "", "solutions": "",
        "input_output": "{\"inputs\": [\"1 2\\n\", \"5 6\\n\"], \"outputs\": [\"3\\n1.5\\n\", \"11\\n5.5\"]}",
    });
    let sum = "a, b = map(int, input().split())\nprint(a + b)\n";
    let warns = format!("import sys\nsys.stderr.write('slow')\n{sum}print((a + b) / 2)\n");
    check_programs(
        "apps",
        "test.json",
        &apps,
        &[
            // Text on stderr is not part of the answer.
            (&warns, "passed"),
            (&format!("{sum}print((a + b) // 2)"), "failed"),
            (&format!("{sum}print(c)"), "error"),
        ],
    );
    let livecodebench = json!({
        "question_id": "abc_a", "question_content": "Print twice the number.", "starter_code": "", "metadata": "{}",
        "public_test_cases": "[{\"input\": \"1\\n\", \"output\": \"2\\n\", \"testtype\": \"stdin\"}]",
        "private_test_cases": "[{\"input\": \"7\\n\", \"output\": \"14\\n\", \"testtype\": \"stdin\"}]",
    });
    check_programs(
        "livecodebench",
        "test.json",
        &livecodebench,
        &[
            // The modules that the publisher provides need no import.
            ("print(2 * math.floor(float(stdin.readline())))", "passed"),
            (
                "if __name__ == '__main__':\n    print(int(input()) + 1)",
                "failed",
            ),
        ],
    );
}

#[test]
fn functions_of_contests_are_judged_by_what_they_return() {
    let apps = json!({
        "problem_id": 2, "question": "Both in a list.", "starter_code": "def pair(a, b):\n", "solutions": "",
        "input_output": "{\"fn_name\": \"pair\", \"inputs\": [[1, 2]], \"outputs\": [[[1, 2]]]}",
    });
    check_programs(
        "apps",
        "test.json",
        &apps,
        &[
            // The publisher's JSON has lists for tuples, and often one list too many.
            ("def pair(a, b):\n    return a, b\n", "passed"),
            ("def pair(a, b):\n    return [[a, b]]\n", "passed"),
            ("def pair(a, b):\n    return [b, a]\n", "failed"),
        ],
    );
    let livecodebench = json!({
        "question_id": "2800", "question_content": "Twice.", "metadata": "{\"func_name\": \"twice\"}",
        "starter_code": "class Solution:\n    def twice(self, items: List[int]) -> List[int]:\n        ",
        "public_test_cases": "[{\"input\": \"[1, 2]\", \"output\": \"[2, 4]\", \"testtype\": \"functional\"}]",
        "private_test_cases": "[]",
    });
    let method = |body: &str| {
        format!(
            "class Solution:\n    def twice(self, items: List[int]) -> List[int]:\n        return {body}\n"
        )
    };
    check_programs(
        "livecodebench",
        "test.json",
        &livecodebench,
        &[
            (&method("[2 * i for i in items]"), "passed"),
            (&method("2 * items"), "failed"),
            // Without a class, the publisher calls the function.
            ("def twice(items):\n    return [2, 4]\n", "passed"),
            ("def other(items):\n    return [2, 4]\n", "error"),
        ],
    );
    let both = format!(
        "First:\n```python\nclass Solution:\n    def once(self, items):\n        return items\n```\nThen:\n```python\n{}```\n",
        method("[2 * i for i in items]")
    );
    check_answers(
        "livecodebench",
        "test.jsonl",
        &livecodebench,
        &[
            (&both, "passed"),
            (
                "```python\ndef twice(items):\n    return [2, 4]\n```",
                "passed",
            ),
        ],
        &["--extract"],
    );
}

/// An APPS problem with one case of input and output.
fn apps_case(input: &str, output: &str) -> Value {
    let cases = json!({"inputs": [input], "outputs": [output]}).to_string();
    json!({"id": 1, "question": "sum", "solutions": "[]", "starter_code": "", "input_output": cases})
}

/// A `LiveCodeBench` problem with one case.
fn livecodebench_case(input: &str, output: &str) -> Value {
    let cases = json!([{"input": input, "output": output, "testtype": "stdin"}]).to_string();
    json!({
        "question_id": "q1", "question_content": "Echo n", "starter_code": "", "metadata": "{}",
        "public_test_cases": cases, "private_test_cases": "[]",
    })
}

#[test]
fn programs_that_read_and_print_are_extracted() {
    let answer = "Read it and print it:\n\n```python\nprint(int(input()))\n```\n\nFor `5000` it prints 5000.\n";
    let thought = format!("<think>\n```python\nprint(1)\n```\n</think>\n{answer}");
    let broken = "```python\nprint(int(input())\n```\n";
    let answers = [
        (answer, "passed"),
        (thought.as_str(), "passed"),
        ("print(int(input()))", "passed"),
        (broken, "unparsable"),
    ];
    let extract = &["--extract"];
    let row = livecodebench_case("5000\n", "5000\n");
    check_answers("livecodebench", "test.jsonl", &row, &answers, extract);
    check_answers(
        "apps",
        "test.jsonl",
        &apps_case("5000\n", "5000\n"),
        &answers,
        extract,
    );
}

#[test]
fn contests_are_judged_by_their_publishers_rules() {
    // Printed output counts, however the program ends.
    let sum = "import sys\na, b = map(int, input().split())\nprint(a + b)\n";
    let exits: Vec<String> = [
        "sys.exit(1)",
        "sys.exit('done')",
        "raise SystemExit",
        "exit()",
        "quit(2)",
    ]
    .iter()
    .map(|exit| format!("{sum}{exit}\n"))
    .collect();
    let mut answers: Vec<(&str, &str)> =
        exits.iter().map(|text| (text.as_str(), "passed")).collect();
    let raises = format!("{sum}raise ValueError\n");
    answers.push((&raises, "error"));
    check_programs("apps", "test.jsonl", &apps_case("1 2\n", "3\n"), &answers);
    check_programs(
        "livecodebench",
        "test.jsonl",
        &livecodebench_case("1 2\n", "3\n"),
        &answers,
    );

    // As a last resort APPS compares sets of words; LiveCodeBench never does.
    let swapped = [("print('2 1')\n", "passed"), ("print('2 2')\n", "failed")];
    check_programs("apps", "test.jsonl", &apps_case("1\n", "1 2\n"), &swapped);
    let swapped = [("print('2 1')\n", "failed"), ("print('1.0 2')\n", "passed")];
    check_programs(
        "livecodebench",
        "test.jsonl",
        &livecodebench_case("1\n", "1 2\n"),
        &swapped,
    );

    // Names that the scorers provide, Python's own `pow` among them, and enough stack and output.
    let grants = [
        ("print(pow(2, 10, 1000))\n", "passed"),
        (
            "def f(n):\n    return n if n == 24 else f(n - 1)\nprint(f(20024))\n",
            "passed",
        ),
        ("print(len(str(10 ** 9000)) - 8977)\n", "passed"),
        ("print(deque([24])[0])\n", "passed"),
    ];
    check_programs(
        "livecodebench",
        "test.jsonl",
        &livecodebench_case("", "24\n"),
        &grants,
    );
    let grants = [
        ("print(int(stdin.readline()) + 1)\n", "passed"),
        ("stdout.write(str(gcd(48, 72)))\n", "passed"),
        ("print(len(str(10 ** 9000)) - 8977)\n", "passed"),
        ("print(heappop([24]))\n", "passed"),
    ];
    check_programs("apps", "test.jsonl", &apps_case("23\n", "24\n"), &grants);
}

#[test]
fn functions_of_apps_have_the_publishers_names_and_dicts() {
    let record = |starter: &str, inputs: &Value, outputs: &Value| {
        let cases = json!({"fn_name": "total", "inputs": inputs, "outputs": outputs}).to_string();
        json!({"id": 1, "question": "sum", "solutions": "[]", "starter_code": starter, "input_output": cases})
    };
    let class = "class Solution:\n    def total(self, xs: List[int]) -> int:\n";
    check_programs(
        "apps",
        "test.jsonl",
        &record(class, &json!([[[1, 2]]]), &json!([3])),
        &[
            (&format!("{class}        return sum(xs)\n"), "passed"),
            ("def total(xs):\n    return sum(xs)\n", "passed"),
        ],
    );
    // JSON has strings for keys where the task has numbers.
    check_programs(
        "apps",
        "test.jsonl",
        &record("def total(d):\n", &json!([[{"1": 2}]]), &json!([{"1": 4}])),
        &[
            ("def total(d):\n    return {1: 2 * d[1]}\n", "passed"),
            ("def total(d):\n    return {'1': 2 * d['1']}\n", "error"),
        ],
    );
}
