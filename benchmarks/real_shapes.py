"""Real shapes: logs as they are published, from their file to recommendations, one command each.

Writes files of the shapes of public data sets, with made-up contents: book ratings (semicolons,
latin-1, stray quotes, no times), a shop's invoices (ids that are floats, ISO times, negative
quantities, missing customers), fashion purchases (dates, article numbers with leading zeros, an
index column, blanks in names) and play counts (tabs, no times, no header). Then runs one command on
each, and on KuaiRand's own files if they are given, and prints what it said and how long it took.

    python benchmarks/real_shapes.py --rows 200000 --output runs/real-shapes [--kuairand FOLDER]
"""

import argparse
import os
import pathlib
import shlex
import subprocess
import sys
import time

import numpy as np
import pandas as pd

_WORDS = "amber birch cedar delta ember fjord grove harbour island juniper".split()


def _pairs(rows: int, users: int, items: int, rng: np.random.Generator) -> tuple:
    """Users and items of events: popular items, and tastes that repeat."""
    user = np.sort(rng.integers(0, users, rows))
    taste = rng.integers(0, 20, users)[user]
    popular = np.minimum(rng.zipf(1.4, rows) - 1, items // 20 - 1)
    return user, (popular * 20 + taste) % items


def _title(item: int) -> str:
    return f"{_WORDS[item % 10]} {_WORDS[item // 10 % 10]} {item}"


def books(folder: pathlib.Path, rows: int, rng: np.random.Generator) -> list[str]:
    """Ratings of books, and their titles."""
    user, item = _pairs(rows, max(rows // 10, 10), max(rows // 4, 40), rng)
    isbn = np.char.zfill(((item * 7919) % 10**9).astype(str), 9)
    lines = [
        f'"{276000 + u}";"{i}X";"{r}"'
        for u, i, r in zip(user, isbn, rng.integers(0, 11, rows), strict=True)
    ]
    lines[rows // 2] = '"277427";"0\\"34545104X";"0";"?"'
    lines[rows // 3] = '"277428";"É034"5451";"3"'
    text = "\n".join(['"User-ID";"ISBN";"Book-Rating"', *lines]) + "\n"
    (folder / "BX-Book-Ratings.csv").write_bytes(text.encode("latin-1"))
    known = {f"{i}X": _title(int(n)) for i, n in zip(isbn, item, strict=True)}
    text = "\n".join(['"ISBN";"Book-Title"', *(f'"{i}";"Das {t}"' for i, t in known.items())])
    (folder / "BX-Books.csv").write_bytes(text.encode("latin-1"))
    return [
        *("--dataset", f"{folder}/BX-Book-Ratings.csv", "--items", f"{folder}/BX-Books.csv"),
        *("--user", "User-ID", "--item", "ISBN", "--weight", "Book-Rating"),
        *("--title", "Book-Title", "--bad-rows", "skip"),
    ]


def shop(folder: pathlib.Path, rows: int, rng: np.random.Generator) -> list[str]:
    """Lines of invoices."""
    user, item = _pairs(rows, max(rows // 100, 10), 4000, rng)
    customer = pd.Series(12346.0 + user)
    customer[rng.random(rows) < 0.2] = np.nan
    moment = pd.Timestamp("2010-12-01 08:26") + pd.to_timedelta(rng.integers(0, 3e7, rows), "s")
    frame = pd.DataFrame(
        {
            "InvoiceNo": 536365 + np.arange(rows) // 20,
            "StockCode": [f"{22000 + i}{'A' if i % 9 == 0 else ''}" for i in item],
            "Description": [_title(int(i)).upper() for i in item],
            "Quantity": np.where(rng.random(rows) < 0.02, -1, rng.integers(1, 12, rows)),
            "InvoiceDate": moment.strftime("%Y-%m-%d %H:%M:%S"),
            "UnitPrice": np.round(rng.gamma(2, 2, rows), 2),
            "CustomerID": customer,
            "Country": np.where(user % 9 == 0, "EIRE", "United Kingdom"),
        }
    ).sort_values("InvoiceDate")
    frame.to_csv(folder / "online_retail.csv", index=False)
    return [
        *("--dataset", f"{folder}/online_retail.csv", "--user", "CustomerID"),
        *("--item", "StockCode", "--time", "InvoiceDate", "--weight", "Quantity"),
        *("--title", "Description", "--user-columns", "Country", "--bad-rows", "skip"),
    ]


def fashion(folder: pathlib.Path, rows: int, rng: np.random.Generator) -> list[str]:
    """Purchases by date, articles and customers."""
    user, item = _pairs(rows, max(rows // 20, 10), 5000, rng)
    customer = np.array([f"{(u * 2654435761) % 2**64:016x}" for u in range(user.max() + 1)])
    article = np.char.zfill((108775015 + np.arange(item.max() + 1) * 37).astype(str), 10)
    day = pd.Timestamp("2018-09-20") + pd.to_timedelta(rng.integers(0, 700, rows), "D")
    frame = pd.DataFrame(
        {
            "t_dat": day.strftime("%Y-%m-%d"),
            "customer id": customer[user],
            "article id": article[item],
            "price": rng.random(rows).round(6),
            "sales channel": rng.integers(1, 3, rows),
        }
    ).sort_values("t_dat", ignore_index=True)
    frame.to_csv(folder / "transactions_train.csv")
    articles = pd.DataFrame(
        {
            "article id": article,
            "prod name": [_title(i) for i in range(len(article))],
            "colour group": [_WORDS[i % 10] for i in range(len(article))],
            "product type": [f"type {i % 30}" for i in range(len(article))],
        }
    )
    articles.to_csv(folder / "articles.csv")
    return [
        *("--dataset", f"{folder}/transactions_train.csv", "--items", f"{folder}/articles.csv"),
        *("--user", "customer id", "--item", "article id", "--time", "t_dat"),
        *("--title", "prod name"),
    ]


def plays(folder: pathlib.Path, rows: int, rng: np.random.Generator) -> list[str]:
    """How often who played whom."""
    user, item = _pairs(rows, max(rows // 50, 10), 8000, rng)
    frame = pd.DataFrame({"user": user, "item": item}).drop_duplicates()
    lines = [
        f'{u:040x}\t{i:08x}-artist\t"{_title(int(i))}" band\t{n}'
        for u, i, n in zip(frame.user, frame.item, rng.geometric(0.02, len(frame)), strict=True)
    ]
    (folder / "usersha1-artmbid-artname-plays.tsv").write_text("\n".join(lines) + "\n")
    return [
        *("--dataset", f"{folder}/usersha1-artmbid-artname-plays.tsv"),
        *("--names", "user", "artist", "artist name", "plays", "--user", "user"),
        *("--item", "artist", "--title", "artist name", "--weight", "plays"),
    ]


def kuairand(folder: pathlib.Path, source: pathlib.Path) -> list[str]:
    """Impressions of short videos, real ones."""
    return [
        *("--dataset", f"{source}/test.parquet", "--user", "user_id", "--item", "video_id"),
        *("--time", "time_ms", "--label", "is_click"),
        *("--users", f"{source}/user_features_pure.csv.gz"),
        *("--items", f"{source}/video_features_basic_pure.csv.gz"),
        *("--bad-rows", "skip"),
    ]


def main() -> None:
    """Writes the files and runs the commands."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000, help="rows of each file")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("real_shapes"))
    parser.add_argument("--kuairand", type=pathlib.Path, help="folder of KuaiRand's files")
    parser.add_argument("--only", nargs="+", help="only these: books shop fashion plays kuairand")
    arguments = parser.parse_args()
    shapes = {"books": books, "shop": shop, "fashion": fashion, "plays": plays}
    if arguments.kuairand:
        shapes["kuairand"] = lambda folder, rows, rng: kuairand(folder, arguments.kuairand)
    for name in arguments.only or shapes:
        folder = arguments.output / name
        folder.mkdir(parents=True, exist_ok=True)
        given = shapes[name](folder, arguments.rows, np.random.default_rng(0))
        command = ["quickstart", *given, "--output", str(folder / "quickstart")]
        print(f"\n$ tfrec-zoo {shlex.join(command)}", flush=True)
        begin = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "tfrec_zoo", *command],
            check=True,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        print(f"{name}: {(time.perf_counter() - begin) / 60:.1f} minutes", flush=True)


if __name__ == "__main__":
    main()
