"""Which paths a delivery is said to have changed."""

from runner.touched import LONGEST, MOST, touched


def test_few_paths_are_named_as_they_are() -> None:
    assert touched(["b/c.py", "a.py"]) == ("a.py", "b/c.py")


def test_too_many_are_named_as_the_directories_that_hold_them() -> None:
    paths = [f"src/{index}/deep/{name}.py" for index in range(3) for name in range(100)]
    assert touched([*paths, "a.py"]) == ("a.py", "src/0/deep", "src/1/deep", "src/2/deep")


def test_never_are_there_more_than_can_be_kept() -> None:
    assert len(touched(f"{index}.py" for index in range(1000))) == MOST


def test_a_path_that_is_too_long_is_the_directory_that_holds_it() -> None:
    assert touched([f"src/{'x' * 400}"]) == ("src",)
    assert touched(["x" * 400]) == ("x" * LONGEST,)


def test_a_path_that_is_no_text_can_be_kept() -> None:
    assert touched([b"caf\xe9.txt".decode(errors="surrogateescape")]) == ("caf\ufffd.txt",)
