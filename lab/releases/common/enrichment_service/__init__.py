"""Enrichment of OCR documents (the lab's miniature of the real service)."""

from enrichment_service.workers.agent_orchestrator import AgentOrchestrator

__all__ = ["AgentOrchestrator"]
