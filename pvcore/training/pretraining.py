"""Further pretraining: an encoder reads unlabelled narratives before it is fine-tuned, and is a new base.

Masked words are guessed from their company (Devlin et al. 2019), on text of the field it will work in (Sun et
al. 2019, "How to Fine-Tune BERT", section 5.4). All weights are trained, and what results is a base like any other: a
folder with a digest of its own, for a recipe's `base`. It takes the training loop's own way, so the same texts give
the same bytes, also after a kill.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pvcore.errors import TrainingError
from pvcore.inference import backend
from pvcore.inference.base import KEPT, SINGLE, base_digest, complete
from pvcore.inference.branches import answering_on
from pvcore.inference.model import ATTENTION_DROPOUT, LOAD_ERRORS, load_tokenizer, misfits, quiet
from pvcore.inference.text import Encoded, encode
from pvcore.records import digest
from pvcore.training import loop
from pvcore.training.objectives.objective import Objective, batch, content_digest, plan_by_length
from pvcore.training.settings import TrainingSettings

RECORD = "pretraining.json"
"""What a further pretrained base says of itself: its base (and that base's own record), the cases it read, how."""
CHECKPOINT_EVERY = 100
"""Steps: all weights and their moments are in it, 270 MB for MiniLM."""
MASKED, UNCHANGED = 0.8, 0.1
"""Of the tokens to guess: shown as the mask, as they are; the rest as another (Devlin et al. 2019, A.1)."""


@dataclass(frozen=True)
class Pretraining:
    """How a base is pretrained further. `guessed` is the share of a text's tokens that are to be guessed."""

    epochs: int = 1
    batch: int = 32
    learning_rate: float = 1e-4
    max_tokens: int = 128
    guessed: float = 0.15
    compute: str = "float32"
    seed: int = 0


@dataclass(frozen=True)
class Pretrained:
    """A new base: its folder, the digest of its weights, and (step, loss) of every step."""

    folder: Path
    digest: str
    curve: tuple[tuple[int, float], ...]


def pretrain(
    narratives: Mapping[str, str],
    settings: Pretraining,
    *,
    base: Path,
    workdir: Path,
    output: Path,
    progress: loop.Progress | None = None,
    threads: int | None = None,
) -> Pretrained:
    """Train the encoder of the folder `base` further on {case id: narrative}; `output` is a base, whole or not there.

    Goes on from the last checkpoint below `workdir` of a run over the same texts, and leaves none at its end. Raises
    TrainingError for a base that guesses no masked words, or without a text that has a word to guess.
    """
    origin = base_digest(base)
    with backend.deterministic(threads):
        tokenizer = load_tokenizer(base)
        if tokenizer.mask_token_id is None:
            raise TrainingError(
                f"base {base}: its tokenizer has no mask, so it is no encoder that guesses masked words"
            )
        texts = [encode(tokenizer, text, settings.max_tokens) for _, text in sorted(narratives.items())]
        texts = [text for text in texts if len(text.ids) > tokenizer.num_special_tokens_to_add()]
        if not texts:
            raise TrainingError("there is no narrative to pretrain on: all of them are empty")
        network, objective = _network(base, settings), masked(tokenizer, texts, settings)
        checkpoints = workdir / digest([origin, objective.content])
        found = loop.run(
            network,
            objective,
            TrainingSettings(
                epochs=settings.epochs,
                batch=settings.batch,
                learning_rate=settings.learning_rate,
                checkpoint_every=CHECKPOINT_EVERY,
            ),
            seed=settings.seed,
            checkpoints=checkpoints,
            progress=progress,
        )
    before = json.loads((base / RECORD).read_bytes()) if (base / RECORD).is_file() else None
    record = {
        "base": origin,
        "before": before,
        "settings": asdict(settings),
        "cases": sorted(narratives),
        "curve": found.curve,
    }
    complete(output, lambda folder: _write(network.base_model, base, folder, record))
    shutil.rmtree(checkpoints)
    return Pretrained(output, base_digest(output), found.curve)


def masked(tokenizer: Any, texts: Sequence[Encoded], settings: Pretraining) -> Objective:
    """The mean loss of the tokens to guess; which they are is drawn anew each step, from its seed."""
    import torch

    special = torch.tensor(sorted(tokenizer.all_special_ids))

    def loss(network: Any, items: Sequence[int]) -> torch.Tensor:
        ids, mask = batch(network, tokenizer, [texts[i] for i in items])
        chance, how = torch.rand(2, *ids.shape).to(ids.device)
        words = ~torch.isin(ids, special.to(ids.device))
        # At least one: the word with the lowest draw, so that no step is without a loss.
        lowest = chance.masked_fill(~words, 2.0)
        guessed = words & ((chance < settings.guessed) | (lowest == lowest.min()))
        other = torch.randint(len(tokenizer), ids.shape).to(ids.device)
        shown = torch.where(guessed & (how < MASKED), tokenizer.mask_token_id, ids)
        shown = torch.where(guessed & (how >= MASKED + UNCHANGED), other, shown)
        half = settings.compute == "bfloat16"
        with answering_on(network, guessed), torch.autocast(ids.device.type, torch.bfloat16, enabled=half):
            logits = network(input_ids=shown, attention_mask=mask).logits
        return torch.nn.functional.cross_entropy(logits.float(), ids[guessed])

    plan = plan_by_length(
        [len(text.ids) for text in texts], epochs=settings.epochs, batch=settings.batch, seed=settings.seed
    )
    return Objective(plan, loss, content_digest([text.ids for text in texts], asdict(settings)))


def _network(base: Path, settings: Pretraining) -> Any:
    """The base in float32 with a layer that guesses words; a base that came without one gets a new one."""
    import torch
    from transformers import AutoConfig, AutoModelForMaskedLM

    torch.manual_seed(loop.seed_of(settings.seed, "weights"))
    try:
        with quiet():
            config = AutoConfig.from_pretrained(str(base), trust_remote_code=False, local_files_only=True)
            for name in ATTENTION_DROPOUT:
                if getattr(config, name, None):
                    setattr(config, name, 0.0)
            network, found = AutoModelForMaskedLM.from_pretrained(
                str(base),
                config=config,
                output_loading_info=True,
                dtype=torch.float32,
                trust_remote_code=False,
                local_files_only=True,
                use_safetensors=True,
            )
    except LOAD_ERRORS as error:
        raise TrainingError(f"base {base} cannot be pretrained further: {error}") from error
    if wrong := misfits(network, found, new_head=True):
        raise TrainingError(f"base {base}: {'; '.join(wrong)}. Is config.json that of these weights?")
    return network.to(backend.device())


def _write(encoder: Any, base: Path, folder: Path, record: Mapping[str, Any]) -> None:
    from safetensors.torch import save_file

    for file in sorted({file for pattern in KEPT for file in base.glob(pattern) if file.is_file()}):
        shutil.copyfile(file, folder / file.name)
    tensors = {
        name: value.detach().cpu().contiguous() for name, value in sorted(encoder.state_dict().items())
    }
    save_file(tensors, folder / SINGLE, metadata={"format": "pt"})
    (folder / RECORD).write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", "utf-8")
