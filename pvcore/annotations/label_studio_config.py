"""The labeling configuration of the Label Studio projects that this platform writes for and reads from."""

from __future__ import annotations

from pvcore.records import CRITERIA

SUGGESTED = "suggested"
"""The control, and the field of a task's data, with the LLTs that a work list suggests, best first."""
SPANS = "spans"
"""The control that marks drugs and adverse events for extraction."""
MARKED = {"Drug": "#0072B2", "Reaction": "#d33"}
"""Labels of SPANS, with their colours."""


def labeling_config(*, suggested: bool = False, spans: bool = False) -> str:
    """The XML to paste into a project's settings (Labeling Interface, Code).

    Controls: `seriousness` (one choice), `criteria` (several, for a serious case), `reaction` (mark the
    words of each reaction in the text) and, for each marked region, `llt` (its LLT code of 8 digits; a
    Taxonomy of the same name whose leaves begin with the code is read as well). With `suggested`, each
    task brings ranked LLTs in its field of that name, and one click takes one for the marked words. With `spans`
    drugs and adverse events are marked beside all that.
    """
    criteria = "\n".join(f'      <Choice value="{name}"/>' for name in CRITERIA)
    offered = (
        f"""
  <Choices name="{SUGGESTED}" toName="text" perRegion="true" required="false" choice="single-radio"
           value="${SUGGESTED}"/>"""
        if suggested
        else ""
    )
    return f"""<View>
  <Header value="$case_id"/>
  <Text name="text" value="$text"/>
  <Header value="Seriousness of this case (ICH E2A)"/>
  <Choices name="seriousness" toName="text" choice="single" showInLine="true">
      <Choice value="serious"/>
      <Choice value="not serious"/>
  </Choices>
  <View visibleWhen="choice-selected" whenTagName="seriousness" whenChoiceValue="serious">
    <Header value="Criteria met"/>
    <Choices name="criteria" toName="text" choice="multiple">
{criteria}
    </Choices>
  </View>
  <Header value="Mark each reaction and give the code of its Lowest Level Term"/>
  <Labels name="reaction" toName="text">
    <Label value="Reaction" background="#d33"/>
  </Labels>{offered}
  <TextArea name="llt" toName="text" perRegion="true" required="false" maxSubmissions="1"
            placeholder="LLT code, 8 digits" displayMode="region-list"/>
{_spans() if spans else ""}</View>
"""


def extraction_config() -> str:
    """The XML of a project of extraction: mark each drug and each adverse event, in one piece each."""
    return f"""<View>
  <Header value="$case_id"/>
  <Text name="text" value="$text"/>
{_spans()}</View>
"""


def _spans() -> str:
    labels = "\n".join(
        f'    <Label value="{name}" background="{colour}"/>' for name, colour in MARKED.items()
    )
    return f"""  <Header value="Mark each drug and each adverse event"/>
  <Labels name="{SPANS}" toName="text">
{labels}
  </Labels>
"""
