"""Words and model families of the tiny models, with the settings of each family."""

from typing import Any

from dfo_prompt.lm.checkpoint import Head

LINE = "bad good film plot was it a the very dull fun long short news : . movie great terrible story and"
WORDS = LINE.split()
SPECIAL = ["<pad>", "<s>", "</s>", "<mask>", "<extra_id_0>"]
SIZES = {
    "vocab_size": len(WORDS) + len(SPECIAL),
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 64,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
FAMILIES: dict[Head, dict[str, dict[str, Any]]] = {
    "causal": {
        "llama": {},
        "qwen2": {"use_sliding_window": False},
        "qwen3": {},
        "mistral": {"sliding_window": 6},
        "gemma2": {"sliding_window": 6, "query_pre_attn_scalar": 8, "final_logit_softcapping": 2.0},
        "gemma3_text": {"sliding_window": 6, "query_pre_attn_scalar": 8},
        "gpt2": {"n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 64},
        "opt": {"ffn_dim": 48, "word_embed_proj_dim": 16},
        "gpt_neox": {},
        "phi3": {},
        "bloom": {"n_layer": 3, "n_head": 4},
        "cohere": {"logit_scale": 0.3},
    },
    "masked": {
        "bert": {},
        "roberta": {},
        "electra": {"embedding_size": 16},
        "albert": {"embedding_size": 16},
        "distilbert": {"dim": 32, "hidden_dim": 48, "n_layers": 3, "n_heads": 4},
        "modernbert": {"local_attention": 6, "cls_token_id": 1, "sep_token_id": 2},
        "deberta-v2": {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 8},
    },
    "seq2seq": {
        "t5": {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 3, "num_heads": 4, "decoder_start_token_id": 0},
        "bart": {
            "d_model": 32,
            "encoder_layers": 2,
            "decoder_layers": 2,
            "encoder_attention_heads": 4,
            "decoder_attention_heads": 4,
            "encoder_ffn_dim": 48,
            "decoder_ffn_dim": 48,
            "scale_embedding": True,
            "decoder_start_token_id": 2,
        },
    },
}
"""Settings of each family in addition to `SIZES`."""
HEAD_OF: dict[str, Head] = {family: head for head, families in FAMILIES.items() for family in families}
FRAMES: dict[Head, dict[str, bool]] = {
    "causal": {},
    "masked": {"bos": True, "eos": True, "mask": True},
    "seq2seq": {"eos": True},
}
SLOTS: dict[str, dict[str, bool]] = {"t5": {"sentinel": True}, "bart": {"bos": True, "mask": True}}
"""Tokens of a family that the answer slot needs."""
