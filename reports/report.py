"""The report as a PDF: accessible (PDF/UA-1), archivable (PDF/A-2a), the same bytes for the same content."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from datetime import UTC
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from monitoring.errors import ReportError
from reports.content import ReportContent
from reports.document import Document, compose
from reports.wording import FONTS, font_directory

if TYPE_CHECKING:
    from typst import PDFStandard

_STANDARDS: list[PDFStandard] = ["a-2a", "ua-1"]


def write_report(content: ReportContent, out: Path) -> Path:
    """Write the report to `out` and return it; an existing report is replaced whole or not at all.

    ReportError when `out` is not a PDF in an existing folder, when it cannot be written, or when the
    content cannot be set.
    """
    _refuse_bad_path(out)
    _write(out, render(content))
    return out


def render(content: ReportContent) -> bytes:
    """Return the report as PDF bytes."""
    pdf, _ = compile_document(compose(content), content)
    return pdf


def compile_document(document: Document, content: ReportContent) -> tuple[bytes, list[str]]:
    """Return (PDF bytes, warnings of the compiler).

    Strings reach the template as JSON, so nothing in them is ever run; fonts are Typst's own and
    matplotlib's DejaVu Sans, so the machine's fonts do not matter.
    """
    import typst

    with tempfile.TemporaryDirectory(prefix="underwood-report-") as folder:
        root = Path(folder)
        try:
            _lay_out(document, root)
            compiler = typst.Compiler(
                root / "report.typ", root=root, font_paths=[root / "fonts"], ignore_system_fonts=True
            )
            pdf, warnings = compiler.compile_with_warnings(
                pdf_standards=_STANDARDS, timestamp=content.generated_at.astimezone(UTC), format="pdf"
            )
            if not isinstance(pdf, bytes):
                raise ReportError(f"report for {content.park}, {content.season}: Typst gave no PDF")
        except typst.TypstError as error:
            raise ReportError(
                f"report for {content.park}, {content.season}: {_one_line(error.message)}"
            ) from error
        except OSError as error:
            raise ReportError(f"report folder {root}: {error.strerror or error}") from error
    return pdf, [_one_line(warning.message) for warning in warnings]


def _lay_out(document: Document, root: Path) -> None:
    template = resources.files("reports") / "templates" / "report.typ"
    (root / "report.typ").write_bytes(template.read_bytes())
    (root / "content.json").write_text(json.dumps(document.text, allow_nan=False), "utf-8")
    for name, svg in document.figures.items():
        (root / name).write_bytes(svg)
    (root / "fonts").mkdir()
    for name in FONTS:
        shutil.copyfile(font_directory() / name, root / "fonts" / name)


def _refuse_bad_path(out: Path) -> None:
    if out.suffix.lower() != ".pdf":
        raise ReportError(f"report {out}: its name must end in .pdf")
    if not out.parent.is_dir():
        raise ReportError(f"report {out}: the folder {out.parent} does not exist")
    if out.is_dir():
        raise ReportError(f"report {out}: is a folder")


def _write(out: Path, pdf: bytes) -> None:
    """Write by a temporary name, flush to disk and rename; the temporary file never stays behind."""
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(pdf)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(out)
    except OSError as error:
        raise ReportError(f"report {out}: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)


def _one_line(text: str) -> str:
    return " ".join(text.split())
