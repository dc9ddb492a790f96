"""Writes how Python's codecs decode bytes to codecs.json.

    python make.py > codecs.json

Made with Python 3.11.7. `single` has, by name, the characters of the bytes 0x80 to 0xff, null where Python rejects the
byte; `multi` has, by name, texts with their bytes in hexadecimal.
"""

import json
import sys

SINGLE = ["cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258", "cp866", "iso8859_2",
          "iso8859_3", "iso8859_4", "iso8859_5", "iso8859_6", "iso8859_7", "iso8859_8", "iso8859_9", "iso8859_10",
          "iso8859_11", "iso8859_13", "iso8859_14", "iso8859_15", "iso8859_16", "koi8_r", "koi8_u", "mac_roman",
          "mac_cyrillic", "cp874"]
TEXTS = {"gbk": "汉字，π“", "gb2312": "汉字，π", "gb18030": "汉字𠀀€é", "big5": "漢字，π", "cp950": "漢字，π", "shift_jis": "漢字カナｶﾅ、Я",
         "cp932": "漢字カナｶﾅ、①", "euc_jp": "漢字カナｶﾅ、Я", "euc_kr": "한글，π", "cp949": "한글，똠π"}


def character(byte, codec):
    try:
        return bytes([byte]).decode(codec)
    except UnicodeDecodeError:
        return None


json.dump({
    "single": {codec: [character(byte, codec) for byte in range(0x80, 0x100)] for codec in SINGLE},
    "multi": {codec: [text, text.encode(codec).hex()] for codec, text in TEXTS.items()},
}, sys.stdout, ensure_ascii=True)
print()
