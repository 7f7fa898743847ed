"""Time limits by tool, in seconds."""

TOOL_TIMEOUTS = {
    "extract_document_type": 30, "extract_people": 120, "parse_letter_body": 180, "generate_summary": 120,
    "extract_keywords": 60, "classify_subjects": 60, "research_historical_context": 180, "assess_significance": 120,
}


def get_tool_timeout(tool):
    return TOOL_TIMEOUTS.get(tool, 60)
