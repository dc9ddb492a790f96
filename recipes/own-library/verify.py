"""Checks this folder: library, handbook and tasks fit together. Run it with plain Python: python3 verify.py

1. Examples in docstrings and in the handbook are right.
2. Each task has the fields of the `custom` format, one or two public examples that its docstring shows, and at least
   five tests.
3. The canonical solution passes public examples and tests.
4. `raise NotImplementedError` fails, and so do wrong programs: the public answers alone, swapped arguments.
5. Every reference is defined in the file that it names, and the prompt does not contain its name.
6. No docstring and no page contains a sentence of a prompt, or 13 words in a row of a prompt, solution or test.
7. The library has 40 to 60 public functions, classes and methods, errors aside, each with a docstring. A section of the
   handbook has at most 200 words.
"""

import ast
import datetime
import doctest
import importlib
import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKAGE = "skerrow"
GRAM_WORDS = 13
SENTENCE_WORDS = 5
FIELDS = {
    "task_id",
    "prompt",
    "entry_point",
    "tests",
    "public_examples",
    "canonical_solution",
    "references",
}
OPTIONAL = {"setup"}

sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE))


def words(text):
    """Return the words of a text in lower case: letters and digits."""
    return re.findall(r"[^\W_]+", text.lower())


def grams(text):
    """Return all runs of 13 words in a text."""
    found = words(text)
    return {tuple(found[at : at + GRAM_WORDS]) for at in range(len(found) - GRAM_WORDS + 1)}


def contains(text, sentence):
    """Check whether the words of a sentence occur in a row in a text."""
    return f" {' '.join(words(sentence))} " in f" {' '.join(words(text))} "


def definitions(path):
    """Return the functions, classes and methods of a file, by qualified name."""
    found = {}
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found[node.name] = node
        if isinstance(node, ast.ClassDef):
            found.update({f"{node.name}.{of.name}": of for of in node.body if isinstance(of, ast.FunctionDef)})
    return found


def passes(task, program, checks):
    """Run a program, the task's setup and then each check in one namespace; False at the first error."""
    namespace = {"__name__": "task"}
    try:
        exec(program, namespace)
        exec(task.get("setup", ""), namespace)
        for check in checks:
            exec(check, namespace)
    except Exception:
        return False
    return True


def public_answers(task):
    """Return a body that returns the public answers and knows no others."""
    function = ast.parse(task["prompt"]).body[-1]
    names = [argument.arg for argument in function.args.args]
    lines = []
    for example in task["public_examples"]:
        compare = ast.parse(example).body[0].test
        given = ", ".join(ast.unparse(argument) for argument in compare.left.args)
        expected = ast.unparse(compare.comparators[0])
        lines.append(f"    if ({', '.join(names)},) == ({given},):\n        return {expected}\n")
    return "".join(lines)


def swapped(task):
    """Return programs with the first two arguments of a call swapped, one for each library call that has two."""
    variants = []
    source = task["prompt"] + task["canonical_solution"]
    n_calls = sum(isinstance(node, ast.Call) for node in ast.walk(ast.parse(source)))
    for place in range(n_calls):
        tree = ast.parse(source)
        call = [node for node in ast.walk(tree) if isinstance(node, ast.Call)][place]
        # `get` belongs to dict, not to the library.
        if len(call.args) >= 2 and getattr(call.func, "attr", "get") != "get":
            call.args[:2] = reversed(call.args[:2])
            variants.append(ast.unparse(tree))
    return variants


def check_task(task, texts, report):
    """Report what is wrong with a task, and return how many wrong programs were rejected."""
    prompt, solution = task["prompt"], task["canonical_solution"]
    checks = task["public_examples"] + task["tests"]
    if set(task) - OPTIONAL != FIELDS or not 1 <= len(task["public_examples"]) <= 2 or len(task["tests"]) < 5:
        report("fields")
    tree = ast.parse(prompt + solution)
    function = next((node for node in tree.body if isinstance(node, ast.FunctionDef)), None)
    if function is None or function.name != task["entry_point"]:
        report("entry_point")
    if len(function.body) == 1 or not 1 <= len(solution.strip("\n").splitlines()) <= 6:
        report("length of the solution")
    imported = [alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names]
    if PACKAGE not in imported or set(imported) - {PACKAGE, "datetime"}:
        report(f"imports {imported}")
    docstring = ast.get_docstring(function)
    examples = doctest.DocTestParser().get_examples(docstring)
    shown = [(example.source.strip(), example.want.strip()) for example in examples]
    for example in task["public_examples"]:
        call, _, expected = example.removeprefix("assert ").partition(" == " if " == " in example else " is ")
        if (call, expected) not in shown and (f"{call} is {expected}", "True") not in shown:
            report(f"the docstring does not show {example}")
    if not passes(task, prompt + solution, checks):
        report("the canonical solution fails")
    wrong = [prompt + "    raise NotImplementedError\n", prompt + public_answers(task), *swapped(task)]
    for program in wrong:
        if passes(task, program, task["tests"]):
            report(f"a wrong program passes:\n{program}")
    for reference in task["references"]:
        if reference["name"] not in definitions(HERE / reference["source"]):
            report(f"no {reference}")
        name = reference["name"].rsplit(".", 1)[-1]
        if name.lower() in re.findall(r"\w+", docstring.lower()):
            report(f"the prompt contains the name {name}")
    sentences = [
        sentence
        for paragraph in docstring.split(">>>")[0].split("\n\n")
        for sentence in " ".join(paragraph.split()).split(". ")
        if len(words(sentence)) >= SENTENCE_WORDS
    ]
    hidden = grams(solution) | grams(prompt) | {gram for test in task["tests"] for gram in grams(test)}
    for place, text in texts.items():
        if hidden & grams(text):
            report(f"{place} shares 13 words")
        for sentence in sentences:
            if contains(text, sentence):
                report(f"{place} contains the sentence {sentence!r}")
    return len(wrong)


def main():
    """Run all checks, print what was checked, and return the exit status."""
    problems = []
    library = importlib.import_module(PACKAGE)
    example_names = {PACKAGE: library, "datetime": datetime}
    texts = {}
    n_examples = n_public = 0
    for path in sorted((HERE / PACKAGE).glob("*.py")):
        source = path.relative_to(HERE).as_posix()
        # The text of the whole file: bodies and comments are indexed, too.
        texts[source] = path.read_text()
        module = importlib.import_module(PACKAGE if path.stem == "__init__" else f"{PACKAGE}.{path.stem}")
        result = doctest.testmod(module, extraglobs=example_names)
        n_examples += result.attempted
        if result.failed:
            problems.append(f"{source}: {result.failed} examples fail")
        for name, node in definitions(path).items():
            is_public = not any(part.startswith("_") for part in name.split("."))
            n_public += is_public and path.stem != "faults"
            if is_public and not ast.get_docstring(node):
                problems.append(f"{source}: {name} has no docstring")
    if not 40 <= n_public <= 60:
        problems.append(f"{n_public} public names")
    for path in sorted((HERE / "docs").glob("*.md")):
        source = path.relative_to(HERE).as_posix()
        text = path.read_text()
        texts[source] = text
        blocks = "\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
        test = doctest.DocTestParser().get_doctest(blocks, dict(example_names), source, source, 0)
        result = doctest.DocTestRunner().run(test)
        n_examples += result.attempted
        if result.failed:
            problems.append(f"{source}: {result.failed} examples fail")
        for section in re.split(r"^#+ ", text, flags=re.MULTILINE):
            if len(section.split()) > 200:
                problems.append(f"{source}: a section has more than 200 words: {section[:40]!r}")
    tasks = [json.loads(line) for line in (HERE / "tasks.jsonl").read_text().splitlines()]
    ids = [task["task_id"] for task in tasks]
    if len(set(ids)) != len(ids) or not all(name.startswith("own-library/") for name in ids):
        problems.append("task ids")
    n_wrong = sum(
        check_task(task, texts, lambda what, task=task: problems.append(f"{task['task_id']}: {what}")) for task in tasks
    )
    n_tests = sum(len(task["tests"]) for task in tasks)
    n_references = len({(of["source"], of["name"]) for task in tasks for of in task["references"]})
    print(f"{len(tasks)} tasks, {n_tests} hidden tests, {n_wrong} wrong programs")
    print(f"{n_public} public functions, classes and methods, {n_references} of them needed by a task")
    print(f"{n_examples} examples in docstrings and handbook, {len(texts)} files searched for solutions")
    for problem in problems:
        print(f"problem: {problem}")
    print("failed" if problems else "all checks passed")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
