"""Which images are of one patient in the exported data set, by DICOM tags or by a pattern of file names."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query

from salus.serve.names import check_pattern, patient_of_name
from salus.serve.session import Session
from salus.serve.state import ServerState, SessionDep, StateDep

routes = APIRouter(prefix="/v1", tags=["session"])


@dataclass(frozen=True)
class ImagePatient:
    """An image and its patient.

    Attributes:
        file: name of its file.
        patient: the patient that the pattern reads in the name; "" where the name does not fit.
        dicom: whether DICOM tags name the patient, where the name does not.
        number: of the patient in this answer, from 1; images of one patient have the same.
    """

    file: str
    patient: str
    dicom: bool
    number: int


@dataclass(frozen=True)
class PatientsAnswer:
    """The images, what a pattern reads in their names, and how many patients they are then.

    Attributes:
        pattern: of file names, "" for none.
        patients: number of patients; an image of which nothing is known is a patient of its own.
        images: in the order of the list.
    """

    pattern: str
    patients: int
    images: list[ImagePatient]


@routes.get("/patients")
async def list_patients(
    state: StateDep,
    session: SessionDep,
    pattern: Annotated[
        str | None, Query(max_length=200, description="of file names, to try out; without it, the one in force")
    ] = None,
) -> PatientsAnswer:
    """Say which patient a pattern reads in the names of the session's images and of the worklist; nothing changes.

    In the pattern, {patient} stands for the patient, * for any characters, ? for one: `bus_{patient}-*`.
    """
    return await asyncio.to_thread(_read_patients, state, session, pattern)


def _read_patients(state: ServerState, session: Session, pattern: str | None) -> PatientsAnswer:
    if pattern is None:
        known = [data_set.patient_pattern() for data_set in reversed(state.data_sets(session))]
        pattern = next((one for one in [*known, session.patient_pattern, state.settings.patient_pattern] if one), "")
    check_pattern(pattern)
    keys = {case.label or case.name: case.patient_key for case in session.cases.values()}
    files = dict.fromkeys(keys)
    if state.worklist is not None:
        files |= dict.fromkeys(map(state.worklist.label, state.worklist.files.values()))
    images = []
    numbers: dict[tuple[str, str], int] = {}
    for file in files:
        patient, key = patient_of_name(file, pattern), keys.get(file, "")
        identity = ("name", patient) if patient else ("key", key) if key else ("file", file)
        number = numbers.setdefault(identity, len(numbers) + 1)
        images.append(ImagePatient(file, patient, bool(key) and not patient, number))
    return PatientsAnswer(pattern, len(numbers), images)
