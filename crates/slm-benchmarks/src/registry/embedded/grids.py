# Tasks about tables and maps. README.md beside this file explains the format.

# task
def column_totals(rows):
    """Add up each column of a table of numbers, given as a list of rows of equal length.

    >>> column_totals([[1, 2], [3, 4]])
    [4, 6]
    """
    return [sum(column) for column in zip(*rows)]

# tests
assert column_totals([]) == []
assert column_totals([[5]]) == [5]
assert column_totals([[1, 2, 3]]) == [1, 2, 3]
assert column_totals([[1], [2], [3]]) == [6]
assert column_totals([[1, -1], [-1, 1]]) == [0, 0]

# task
def flip_rows(grid):
    """Mirror a grid from left to right, so that each row is reversed.

    >>> flip_rows([[1, 2, 3], [4, 5, 6]])
    [[3, 2, 1], [6, 5, 4]]
    """
    return [row[::-1] for row in grid]

# tests
assert flip_rows([]) == []
assert flip_rows([[1]]) == [[1]]
assert flip_rows([[], []]) == [[], []]
assert flip_rows([["a", "b"], ["c", "d"]]) == [["b", "a"], ["d", "c"]]
assert flip_rows([[1, 2, 1]]) == [[1, 2, 1]]

# task
def draw_frame(width, height):
    """Lines of text that show a frame: plus signs as corners, minus signs and bars as sides.

    The inside is filled with spaces. Width and height count the corners and are at least 2.

    >>> draw_frame(4, 3)
    ['+--+', '|  |', '+--+']
    """
    edge = "+" + "-" * (width - 2) + "+"
    side = "|" + " " * (width - 2) + "|"
    return [edge] + [side] * (height - 2) + [edge]

# tests
assert draw_frame(2, 2) == ["++", "++"]
assert draw_frame(3, 2) == ["+-+", "+-+"]
assert draw_frame(2, 3) == ["++", "||", "++"]
assert draw_frame(5, 4) == ["+---+", "|   |", "|   |", "+---+"]
assert len(draw_frame(10, 7)) == 7 and all(len(line) == 10 for line in draw_frame(10, 7))

# task
def border_sum(grid):
    """Sum of the numbers along the edge of a grid, each counted once.

    >>> border_sum([[1, 1, 1], [1, 9, 1], [1, 1, 1]])
    8
    """
    total = 0
    last_row = len(grid) - 1
    for i, row in enumerate(grid):
        for j, number in enumerate(row):
            if i in (0, last_row) or j in (0, len(row) - 1):
                total += number
    return total

# tests
assert border_sum([]) == 0
assert border_sum([[7]]) == 7
assert border_sum([[1, 2, 3]]) == 6
assert border_sum([[1], [2], [3]]) == 6
assert border_sum([[1, 2], [3, 4]]) == 10
assert border_sum([[0, 0, 0, 0], [0, 5, 5, 0], [0, 0, 0, 1]]) == 1

# task
def count_living_neighbours(field, row, column):
    """Count the cells holding "#" among the up to eight cells around a position.

    The field is a list of texts of equal length, one for each row. The position itself does not
    count, and there is nothing beyond the edges.

    >>> count_living_neighbours(["##.", ".#.", "..."], 1, 1)
    2
    >>> count_living_neighbours(["#.", ".."], 0, 0)
    0
    """
    count = 0
    for i in range(max(row - 1, 0), min(row + 2, len(field))):
        for j in range(max(column - 1, 0), min(column + 2, len(field[i]))):
            if (i, j) != (row, column) and field[i][j] == "#":
                count += 1
    return count

# tests
assert count_living_neighbours(["#"], 0, 0) == 0
assert count_living_neighbours(["###", "###", "###"], 1, 1) == 8
assert count_living_neighbours(["###", "###", "###"], 0, 0) == 3
assert count_living_neighbours(["###", "###", "###"], 2, 1) == 5
assert count_living_neighbours(["...", "...", "..#"], 0, 0) == 0
assert count_living_neighbours(["#..#", "....", "#..#"], 1, 2) == 2

# task
def multiply_tables(left, right):
    """Product of two matrices, given as lists of rows.

    Entry (i, j) of the product is the sum of the products of row i of the left matrix with column
    j of the right one. If the sizes do not fit, the answer is None.

    >>> multiply_tables([[1, 2]], [[3], [4]])
    [[11]]
    """
    if any(len(row) != len(right) for row in left):
        return None
    columns = list(zip(*right))
    return [[sum(a * b for a, b in zip(row, column)) for column in columns] for row in left]

# tests
assert multiply_tables([[2]], [[3]]) == [[6]]
assert multiply_tables([[1, 0], [0, 1]], [[5, 6], [7, 8]]) == [[5, 6], [7, 8]]
assert multiply_tables([[1], [2]], [[3, 4]]) == [[3, 4], [6, 8]]
assert multiply_tables([[1, 2]], [[1, 2]]) is None
assert multiply_tables([[1, 2, 3], [4, 5, 6]], [[1, 0], [0, 1], [1, 1]]) == [[4, 5], [10, 11]]
assert multiply_tables([[0, 1], [1, 0]], [[1, 2], [3, 4]]) == [[3, 4], [1, 2]]

# task
def fewest_steps(maze):
    """Length of the shortest way through a maze from its top left to its bottom right cell.

    The maze is a list of texts of equal length, in which "." is open and "#" is a wall. A step goes
    up, down, left or right to an open cell. If there is no way, or an end is a wall, the answer is
    None.

    >>> fewest_steps(["..", "#."])
    2
    >>> fewest_steps([".#", "#."]) is None
    True
    """
    height, width = len(maze), len(maze[0])
    if maze[0][0] == "#":
        return None
    steps = {(0, 0): 0}
    queue = [(0, 0)]
    for i, j in queue:
        if (i, j) == (height - 1, width - 1):
            return steps[i, j]
        for next_cell in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)):
            row, column = next_cell
            inside = 0 <= row < height and 0 <= column < width
            if inside and maze[row][column] == "." and next_cell not in steps:
                steps[next_cell] = steps[i, j] + 1
                queue.append(next_cell)
    return None

# tests
assert fewest_steps(["."]) == 0
assert fewest_steps(["#"]) is None
assert fewest_steps([".."]) == 1
assert fewest_steps([".#"]) is None
assert fewest_steps(["...", ".#.", "..."]) == 4
assert fewest_steps(["...", "##.", "..."]) == 4
assert fewest_steps([".#...", ".#.#.", "...#."]) == 10
