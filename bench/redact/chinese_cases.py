#!/usr/bin/env python3
"""Makes 2,000 Chinese cases for recognizers of personal data: where a value stands, what stands beside it, how it is
spelled, and near misses that are none. Shares nothing with src/guard: formats and check digits are computed here from the
standards' formulas. Every value is made up. The same seed gives the same cases.

Prints one JSON object a line: text, entity, begin and end (characters), spelling, checked; entity null: a near miss, which
must not be found as `near`.
"""
import argparse
import datetime
import json
import random
import string

COUNTIES = ["110101", "120103", "310115", "320506", "330106", "340524", "350203", "370211", "420106", "430102", "440305",
            "450103", "500112", "510107", "520103", "530102", "610113", "620102", "650102", "810000", "820000", "830000"]
AREAS = ["010", "020", "021", "022", "023", "024", "025", "027", "028", "029", "0311", "0512", "0571", "0755", "0898", "0991"]
MOBILE = [134, 135, 136, 137, 138, 139, 147, 150, 151, 152, 157, 158, 159, 172, 178, 182, 183, 187, 188, 195, 198, 130, 131,
          132, 145, 155, 156, 166, 175, 176, 185, 186, 196, 133, 149, 153, 173, 177, 180, 181, 189, 190, 191, 193, 199, 192]
PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
NAMES = ["张伟", "王芳", "李秀英", "刘洋", "陈静怡", "杨勇", "赵敏", "黄海涛", "周杰", "吴晓燕", "欧阳雪", "司马光明", "孙丽华", "朱强", "林建国"]
CITIES = [("北京市", "海淀区"), ("上海市", "浦东新区"), ("广东省广州市", "天河区"), ("浙江省杭州市", "西湖区"), ("四川省成都市", "武侯区"),
          ("江苏省南京市", "鼓楼区"), ("湖北省武汉市", "江汉区"), ("陕西省西安市", "雁塔区"), ("山东省青岛市", "市南区"), ("深圳市", "南山区")]
STREETS = ["中关村大街", "世纪大道", "体育西路", "文三路", "人民南路", "中山北路", "解放大道", "长安南路", "香港中路", "科苑路"]


def resident_id(rng):
    day = datetime.date(1940, 1, 1) + datetime.timedelta(days=rng.randrange(27000))
    body = rng.choice(COUNTIES) + day.strftime("%Y%m%d") + f"{rng.randrange(1000):03d}"
    total = sum(int(d) * (2 ** (17 - i) % 11) for i, d in enumerate(body))
    return body + "10X98765432"[total % 11]


def luhn_digit(body):
    total = 0
    for i, d in enumerate(reversed(body)):
        d = int(d) * (2 if i % 2 == 0 else 1)
        total += d - 9 if d > 9 else d
    return str(-total % 10)


def bank_card(rng):
    length = rng.choice([16, 19])
    body = "62" + "".join(rng.choice(string.digits) for _ in range(length - 3))
    return body + luhn_digit(body)


def credit_check(body):
    symbols = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    return symbols[-sum(symbols.index(c) * pow(3, i, 31) for i, c in enumerate(body)) % 31]


def credit_code(rng):
    organization = "".join(rng.choice("0123456789ABCDEFGHJKLMNPQRTUWXY") for _ in range(8))
    values = [int(c) if c.isdigit() else ord(c) - 55 for c in organization]
    inner = -sum(v * w for v, w in zip(values, (3, 7, 9, 10, 5, 8, 4, 2))) % 11
    body = rng.choice(["91", "92", "93", "12", "51", "52"]) + rng.choice(COUNTIES[:-3]) + organization + "0123456789X"[inner]
    return body + credit_check(body)


def hk_id(rng):
    letters = rng.choice(string.ascii_uppercase)
    digits = f"{rng.randrange(10**6):06d}"
    total = 36 * 9 + (ord(letters) - 55) * 8 + sum(int(d) * (7 - i) for i, d in enumerate(digits))
    check = -total % 11
    return f"{letters}{digits}({'A' if check == 10 else check})"


def tw_id(rng):
    order = "ABCDEFGHJKLMNPQRSTUVXYWZIO"
    letter = rng.choice(order)
    number = order.index(letter) + 10
    body = rng.choice("12") + f"{rng.randrange(10**7):07d}"
    total = number // 10 + number % 10 * 9 + sum(int(d) * (8 - i) for i, d in enumerate(body))
    return letter + body + str(-total % 10)


def mobile(rng):
    return f"{rng.choice(MOBILE)}{rng.randrange(10**8):08d}"


def landline(rng):
    area = rng.choice(AREAS)
    return f"{area}-{rng.randint(2, 8)}{rng.randrange(10**7):07d}" if len(area) == 3 or rng.random() < 0.5 else \
        f"({area}){rng.randint(2, 8)}{rng.randrange(10**6):06d}"


def plate(rng):
    letters = "ABCDEFGHJKLMNPQRSTUVWXYZ"
    head = rng.choice(PROVINCES) + rng.choice("ABCDEFGH")
    kind = rng.random()
    if kind < 0.4:
        return head + "".join(rng.choice(string.digits) for _ in range(5))
    if kind < 0.7:
        return head + rng.choice(letters) + "".join(rng.choice(string.digits) for _ in range(4))
    if kind < 0.9:
        return head + rng.choice("DF") + f"{rng.randrange(10**5):05d}"
    return head + f"{rng.randrange(10**5):05d}" + rng.choice("DF")


def email(rng):
    name = rng.choice(["li.wei", "zhang_san", "wang-fang", "chen88", "a.b.c", "sun+work"])
    return f"{name}@{rng.choice(['example.cn', 'mail.example.com', 'qq.com', '163.com'])}"


def address(rng):
    city, district = rng.choice(CITIES)
    text = f"{city}{district}{rng.choice(STREETS)}{rng.randint(1, 900)}号"
    if rng.random() < 0.6:
        text += f"{rng.randint(1, 30)}号楼{rng.randint(1, 6)}单元{rng.randint(101, 2005)}室"
    return text


# entity: (maker, has a check digit, words that may stand before, whether one of them must)
KINDS = {
    "CN_RESIDENT_ID": (resident_id, True, ["身份证号", "证件号码：", "身份证号码是", "ID: "], False),
    "CN_BANK_CARD": (bank_card, True, ["银行卡号", "卡号：", "转到账户", "请汇款至"], False),
    "CN_CREDIT_CODE": (credit_code, True, ["统一社会信用代码", "税号：", "开票信息："], False),
    "HK_ID": (hk_id, True, ["香港身份证", "HKID ", "证件："], False),
    "TW_ID": (tw_id, True, ["台湾身份证", "身分證字號：", "证件 "], False),
    "CN_MOBILE": (mobile, False, ["手机", "电话：", "请拨打", "联系方式 "], False),
    "CN_LANDLINE": (landline, False, ["座机", "电话：", "传真 "], False),
    "CN_PLATE": (plate, False, ["车牌", "车辆：", "停着一辆"], False),
    "EMAIL_ADDRESS": (email, False, ["邮箱", "发到：", "E-mail: "], False),
    "CN_PASSPORT": (lambda r: r.choice("EG") + f"{r.randrange(10**8):08d}", False, ["护照号", "护照：", "持护照"], True),
    "CN_TRAVEL_PERMIT": (lambda r: r.choice("HM") + f"{r.randrange(10**8):08d}", False, ["回乡证", "通行证号：", "来往内地通行证"], True),
    "CN_WECHAT": (lambda r: r.choice(["zhang", "li_na", "wxid_a1b2c3d4e5"]) + f"{r.randrange(10**4):04d}", False,
                  ["微信：", "微信号是", "加我微信"], True),
    "CN_QQ": (lambda r: str(r.randrange(10**5, 10**10)), False, ["QQ", "QQ号：", "扣扣"], True),
    "CN_ADDRESS": (address, False, ["住在", "地址：", "寄到", "家住"], False),
    "PERSON": (lambda r: r.choice(NAMES), False, ["姓名：", "联系人：", "我叫", "收件人："], True),
}
BEFORE = ["", "您好，", "客户资料：", "麻烦看一下", "“", "（", "1. ", "昨天他说"]
AFTER = ["", "。", "，谢谢", "请核对", "”", "）", " 已登记", "\n", "；备注无"]
NUMERIC = {"CN_RESIDENT_ID", "CN_BANK_CARD", "CN_MOBILE"}
HAN = {"0": "〇零", "1": "一幺", "2": "二", "3": "三", "4": "四", "5": "五", "6": "六", "7": "七", "8": "八", "9": "九"}


def wide(text):
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


def grouped(text, entity):
    sizes = {"CN_RESIDENT_ID": (6, 8, 4), "CN_MOBILE": (3, 4, 4)}.get(entity, (4,) * 5)
    parts, at = [], 0
    for size in sizes:
        parts.append(text[at:at + size])
        at += size
    return [p for p in parts if p]


def spell(rng, text, entity):
    """(spelling, text)"""
    choices = ["plain"] * 4 + ["wide", "invisible"]
    if entity in NUMERIC:
        choices += ["spaces", "dashes", "apart", "han"]
    if entity in ("PERSON", "CN_ADDRESS"):
        choices = ["plain"] * 4 + ["invisible"]
    kind = rng.choice(choices)
    if kind == "wide":
        return kind, wide(text)
    if kind == "invisible":
        marks = ["\u200b", "\u200d", "\ufeff", "\u00ad"]
        return kind, "".join(c + (rng.choice(marks) if rng.random() < 0.3 and i + 1 < len(text) else "")
                             for i, c in enumerate(text))
    if kind == "spaces":
        return kind, " ".join(grouped(text, entity))
    if kind == "dashes":
        return kind, "-".join(grouped(text, entity))
    if kind == "apart":
        return kind, " ".join(text)
    if kind == "han":
        return kind, "".join(rng.choice(HAN.get(c, c)) for c in text)
    return kind, text


def near_miss(rng, entity):
    """A text that is nearly one; None where there is no such thing."""
    maker = KINDS[entity][0]
    value = maker(rng)
    if entity == "CN_RESIDENT_ID":
        kind = rng.randrange(4)
        if kind == 0:
            wrong = rng.choice([c for c in "0123456789X" if c != value[-1]])
            return value[:-1] + wrong
        if kind == 1:
            return value + rng.choice(string.digits) if value[-1] != "X" else None
        if kind == 2:
            return rng.choice("234567891") + value if value[-1] != "X" else None
        return value[:10] + "13" + value[12:17] + rng.choice(string.digits)
    if entity == "CN_BANK_CARD":
        return "47" + value[2:15] + str((int(luhn_digit("47" + value[2:15])) + rng.randint(1, 9)) % 10)
    if entity == "CN_CREDIT_CODE":
        # Both checks wrong: early codes fail one of them.
        body = value[:16] + rng.choice([c for c in "0123456789" if c != value[16]])
        return body + rng.choice([c for c in "2345678ABCD" if c != credit_check(body)])
    if entity == "HK_ID":
        return value[:8] + rng.choice([c for c in "0123456789A" if c != value[8]]) + ")"
    if entity == "TW_ID":
        return value[:9] + rng.choice([c for c in string.digits if c != value[9]])
    if entity == "CN_MOBILE":
        return rng.choice([value + rng.choice(string.digits), value[:10], "12" + value[2:], rng.choice("23456789") + value])
    if entity == "CN_PLATE":
        return value[1:]
    if entity == "EMAIL_ADDRESS":
        return value.split("@")[0] + "@" + rng.choice(["localhost", "", "-"])
    return None


def cases(seed, count):
    rng = random.Random(seed)
    entities = list(KINDS)
    made = 0
    while made < count:
        entity = entities[made % len(entities)]
        maker, checked, words, needed = KINDS[entity]
        before, after = rng.choice(BEFORE), rng.choice(AFTER)
        if rng.random() < 0.25:
            value = near_miss(rng, entity)
            if value is not None:
                yield {"text": before + value + after, "entity": None, "near": entity, "spelling": "near miss"}
                made += 1
                continue
        word = rng.choice(words) if needed or rng.random() < 0.7 else ""
        if word == "" and before[-1:] and before[-1] in "0123456789. ":
            before = ""
        kind, value = spell(rng, maker(rng), entity)
        head = before + word
        yield {"text": head + value + after, "entity": entity, "begin": len(head), "end": len(head) + len(value),
               "spelling": kind, "checked": checked}
        made += 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=2000)
    arguments = parser.parse_args()
    for case in cases(arguments.seed, arguments.count):
        print(json.dumps(case, ensure_ascii=False))


if __name__ == "__main__":
    main()
