"""Brands, the registry codes of vessels: port, hull kind, serial number and seal letter, such as "GA-T-0001-T"."""

from .faults import BadBrand

# The house alphabet has 19 letters, in this order.
_ALPHABET = "KRTVADNEMOSUPLGHBWY"
_WEIGHTS = (5, 2, 11, 3, 7, 13, 4)

_PORTS = {
    "GA": "Gannelmouth",
    "OS": "Ossery Sound",
    "HE": "Heughby",
    "LO": "Long Oar",
    "MU": "Mulverness",
    "TW": "Twinstack",
}
_KINDS = {"T": "trow", "L": "lugsail", "H": "hoyman", "B": "balker", "K": "keelet"}
# Hull kinds in the order in which the harbour calls them.
_CALL_ORDER = "HKTBL"

_LETTER_FOR = str.maketrans("0158", "OLSB")
_DIGIT_FOR = str.maketrans("OILSB", "01158")


def seal_letter(body):
    """Compute the seal letter, the check letter at the end of a brand.

    Args:
        body: Port code, kind letter and four-digit serial without hyphens, such as "GAT0417".

    Returns:
        One letter of the house alphabet.

    >>> skerrow.seal_letter("GAT0001")
    'T'
    """
    total = 0
    for weight, sign in zip(_WEIGHTS, body):
        value = 2 * int(sign) + 1 if sign.isdigit() else _ALPHABET.find(sign)
        total += weight * value
    return _ALPHABET[total % 19]


def strike(serial, kind, port):
    """Strike a new brand for a vessel, with its seal letter.

    Args:
        serial: Serial number, from 0 to 9999.
        kind: Name of the hull kind, such as "trow".
        port: Name of the home port, such as "Heughby".

    Returns:
        The brand as text with hyphens.

    >>> skerrow.strike(1, "trow", "Gannelmouth")
    'GA-T-0001-T'
    """
    letters = [letter for letter, name in _KINDS.items() if name == kind]
    codes = [code for code, name in _PORTS.items() if name == port]
    if not letters or not codes or not 0 <= serial <= 9999:
        raise BadBrand(f"no brand for {serial!r}, {kind!r}, {port!r}")
    body = f"{codes[0]}{letters[0]}{serial:04}"
    return f"{codes[0]}-{letters[0]}-{serial:04}-{seal_letter(body)}"


def is_true(brand):
    """Check whether a brand is valid: known port and hull kind, four digits, right seal letter.

    Args:
        brand: Brand as text with hyphens.

    Returns:
        True if the brand is valid.

    >>> skerrow.is_true("GA-T-0001-K")
    False
    """
    parts = brand.split("-")
    if len(parts) != 4 or parts[0] not in _PORTS or parts[1] not in _KINDS:
        return False
    if len(parts[2]) != 4 or not parts[2].isdigit():
        return False
    return parts[3] == seal_letter("".join(parts[:3]))


def mend(scrawl):
    """Mend a brand that was written carelessly: case, separators, and letters mistaken for digits.

    The seal letter is not checked.

    Args:
        scrawl: Text of a brand, for example in lower case or with spaces.

    Returns:
        The brand in its usual spelling with hyphens.

    >>> skerrow.mend("ga t o204 8")
    'GA-T-0204-B'
    """
    signs = "".join(sign for sign in scrawl.upper() if sign.isalnum())
    port, kind, serial, seal = signs[:2], signs[2:3], signs[3:7], signs[7:]
    letters = [part.translate(_LETTER_FOR) for part in (port, kind, seal)]
    return f"{letters[0]}-{letters[1]}-{serial.translate(_DIGIT_FOR)}-{letters[2]}"


def in_call_order(brands):
    """Sort brands into the order in which the harbour calls vessels in.

    Hull kinds follow the house order, and within a kind the highest serial number is called first.

    Args:
        brands: Brands as text.

    Returns:
        A new list.

    >>> skerrow.in_call_order(["GA-L-0007-A", "OS-H-0002-K"])
    ['OS-H-0002-K', 'GA-L-0007-A']
    """
    return sorted(brands, key=lambda brand: (_CALL_ORDER.index(brand[3]), -int(brand[5:9])))


class Brandmark:
    """A valid brand, opened for reading; the text comes with hyphens.

    >>> skerrow.Brandmark("GA-T-0001-T").text
    'GA-T-0001-T'
    """

    def __init__(self, text):
        """Read the brand; raises BadBrand if it is not valid."""
        if not is_true(text):
            raise BadBrand(f"not a brand: {text!r}")
        self.text = text

    def haven(self):
        """Return the name of the home port of the vessel with this brand.

        >>> skerrow.Brandmark("GA-T-0001-T").haven()
        'Gannelmouth'
        """
        return _PORTS[self.text[:2]]

    def hull(self):
        """Return the name of the hull kind of the vessel with this brand.

        >>> skerrow.Brandmark("GA-T-0001-T").hull()
        'trow'
        """
        return _KINDS[self.text[3]]

    def serial(self):
        """Return the serial number of the brand as an integer.

        >>> skerrow.Brandmark("GA-T-0001-T").serial()
        1
        """
        return int(self.text[5:9])
