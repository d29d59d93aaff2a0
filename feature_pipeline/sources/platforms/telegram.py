"""Telegram Desktop's result.json: one channel or group, or a whole account.

Whole accounts are read for what their owner wrote in groups. A channel is read where it was exported alone, which says that
it is the author's own: among the channels of an account, those that one only reads look the same. Chats with one other
person, with bots and with oneself are private.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from contracts.errors import SourceError
from feature_pipeline.sources import Complete, Found, Item, RawPost, Refusal
from feature_pipeline.sources.files.archive import Archive
from feature_pipeline.sources.text import decode, to_date
from feature_pipeline.sources.values import objects, string

PRIVATE = frozenset(("personal_chat", "bot_chat", "saved_messages", "replies"))
CHAT = re.compile(
    rb'"type"\s*:\s*"(?:personal_chat|bot_chat|saved_messages|replies|(?:private|public)_(?:group|supergroup|channel))"'
)
ACCOUNT = re.compile(rb'\A\W*"about"\s*:\s*"[^"]*Telegram|"personal_information"\s*:\s*\{')
# All that is looked at. Phone numbers, contacts, sessions and addresses go no further than the parser.
KEPT = frozenset(
    (
        *("personal_information", "user_id", "chats", "left_chats", "list", "name", "type", "id", "messages", "date"),
        *("from", "from_id", "text", "href", "language", "author", "forwarded_from", "forwarded_from_id"),
        *("via_bot", "reply_to_message_id", "reply_to_peer_id"),
    )
)
# Telegram Desktop writes control characters as \x1F, which JSON does not know.
CONTROL = re.compile(r"(?<!\\)((?:\\\\)*)\\x([0-9A-Fa-f]{2})")
MAX_NAMES = 20
WHOLE = (
    "export your whole account: Settings → Advanced → Export Telegram data, with your account and your groups, as JSON"
)


def recognises(archive: Archive) -> bool:
    return bool(_exports(archive))


def read(archive: Archive, me: str | None = None) -> Iterator[Item]:
    """The author's own messages. `me`, a name or an id as the export has it, says who that is where it does not.

    Raises SourceError for a group's export that does not say whose it is, for a private chat, and where nobody is `me`.
    """
    yield from archive.refusals(str(archive.path))
    for name in _exports(archive):
        export = _object(archive, name)
        chats, alone = _chats(export, name)
        owner = _owner(export, chats)
        if alone:
            _check_alone(chats[0], archive.where(name))
        if me is not None or (alone and not owner and not _is_channel(chats[0])):
            _check_name(archive, name, chats, me)
        for chat in chats:
            yield from _chat(chat, owner, me, alone)
    yield Complete()


def _exports(archive: Archive) -> list[str]:
    """A file that was given alone may be called anything."""
    heads = {
        name: archive.head(name) for name in archive.find("result*.json", *(("*.json",) if archive.is_file else ()))
    }
    return [name for name, head in heads.items() if CHAT.search(head) or ACCOUNT.search(head)]


def _object(archive: Archive, name: str) -> dict[str, Any]:
    text = decode(archive.read(name)) or ""
    if "\\x" in text:
        text = CONTROL.sub(r"\1\\u00\2", text)
    try:
        export = json.loads(text, object_pairs_hook=lambda pairs: {key: value for key, value in pairs if key in KEPT})
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{archive.where(name)} is no JSON: {error}", "export it again, to its end") from error
    if not isinstance(export, dict):
        raise SourceError(f"{archive.where(name)} is no JSON object", "export it again")
    return export


def _chats(export: dict[str, Any], name: str) -> tuple[list[dict[str, Any]], bool]:
    """Each chat, and whether there is one because it was exported alone."""
    if isinstance(export.get("messages"), list):
        return [export], True
    lists = [export[key] for key in ("chats", "left_chats") if isinstance(export.get(key), dict)]
    found = [chat for chats in lists for chat in objects(chats.get("list")) if isinstance(chat.get("messages"), list)]
    if not found:
        raise SourceError(f"{name} has neither messages nor chats, but {', '.join(export) or 'nothing'}", WHOLE)
    return found, False


def _owner(export: dict[str, Any], chats: list[dict[str, Any]]) -> str:
    """The account's own id; the chat with oneself has it too. Empty where the export does not say."""
    person = export.get("personal_information")
    if isinstance(person, dict) and person.get("user_id"):
        return _peer(person["user_id"])
    return next((_peer(chat["id"]) for chat in chats if chat.get("type") == "saved_messages" and chat.get("id")), "")


def _check_alone(chat: dict[str, Any], where: str) -> None:
    """Raises SourceError where a chat that was exported alone must not be read."""
    if chat.get("type") in PRIVATE:
        raise SourceError(f"{where} is a private chat, and those are not read", "export a channel of yours, or a group")


def _check_name(archive: Archive, name: str, chats: list[dict[str, Any]], me: str | None) -> None:
    """Raises SourceError unless `me` wrote something; it names who did, those who wrote most first. Who writes to the
    owner of an account in private is nobody's business."""
    shown = [chat for chat in chats if chat.get("type") not in PRIVATE]
    messages = [message for chat in shown for message in objects(chat["messages"])]
    if me is not None and any(_wrote(message, "", me) for message in messages):
        return
    where, written = archive.where(name), Counter(name for message in messages for name in _names(message))
    names = [name for name, _ in written.most_common(MAX_NAMES)]
    who = (
        f"nobody in {where} is {me!r}: its writers are" if me else f"{where} does not say which of its writers you are:"
    )
    add = f"add your name as it stands there, such as '{archive.path}#{names[0] if names else 'Name'}'"
    raise SourceError(f"{who} {', '.join(names)}", f"{add}; or {WHOLE}")


def _chat(chat: dict[str, Any], owner: str, me: str | None, alone: bool) -> Iterator[Found]:
    place = _place(chat)
    source = f"telegram:{place}"
    messages = {
        str(message.get("id")): message for message in objects(chat["messages"]) if message.get("type") == "message"
    }
    # In a channel that was exported alone, the channel itself is who writes, unless one of those who sign is named.
    owner_here = (place if me is None else "") if alone and _is_channel(chat) else owner
    own = {key: message for key, message in messages.items() if _wrote(message, owner_here, me)}
    if _is_channel(chat) and not alone and len(own) < len(messages):
        others = len(messages) - len(own)
        yield Refusal(source, place, "whose", f"{others} posts of a channel: if it is yours, export it alone")
    for key, message in own.items():
        yield _message(message, key, source, chat, own)


def _wrote(message: dict[str, Any], owner: str, me: str | None) -> bool:
    sender = _peer(message.get("from_id"))
    return bool(owner and sender == owner) or bool(me and me in (sender, *_names(message)))


def _names(message: dict[str, Any]) -> list[str]:
    """Who the export says wrote it: a person, or a channel and the one of its writers who signed."""
    return list(filter(None, (string(message.get("from")), string(message.get("author")))))


def _message(
    message: dict[str, Any], key: str, source: str, chat: dict[str, Any], own: dict[str, dict[str, Any]]
) -> Found:
    if chat.get("type") in PRIVATE or not str(chat.get("type")).endswith(("group", "channel")):
        return Refusal(source, key, "private", "it is in a private chat")
    if "forwarded_from" in message or "forwarded_from_id" in message:
        return Refusal(source, key, "reshare", "it was forwarded")
    if "via_bot" in message:
        return Refusal(source, key, "via_bot", "a bot wrote it")
    answered = message.get("reply_to_message_id")
    is_reply = answered is not None and ("reply_to_peer_id" in message or str(answered) not in own)
    text = _text(message.get("text"), is_reply)
    if not text.strip():
        return Refusal(source, key, "empty", "it has no text, as a picture may")
    return RawPost(
        source,
        key,
        title="",
        date=to_date(message.get("date")),
        url=None,
        text=text,
        markup="plain",
        author=string(message.get("author")) or string(message.get("from")) or None,
        format="reply" if is_reply else "note",
    )


def _text(said: Any, is_reply: bool) -> str:
    """All of a text: a string, or a list of strings and of what is marked in it. A reply loses whom it names first."""
    text, begun = "", False
    for part in said if isinstance(said, list) else [said]:
        kind, words = (part.get("type"), string(part.get("text"))) if isinstance(part, dict) else ("", string(part))
        if is_reply and not begun and kind in ("mention", "mention_name"):
            continue
        begun = begun or bool(words.strip())
        text += _marked(part, kind, words) if isinstance(part, dict) else words
    return text.lstrip() if is_reply else text


def _marked(part: dict[str, Any], kind: Any, words: str) -> str:
    """A part as it is typed where there is no other way to show it; bold and the like are left to the eye."""
    if kind == "text_link" and string(part.get("href")) not in ("", words):
        return f"{words} ({part['href']})"
    if kind == "pre":
        return f"\n```{string(part.get('language'))}\n{words}\n```\n"
    if kind == "blockquote":
        quoted = "\n".join(f"> {line}" for line in words.split("\n"))
        return f"{quoted}\n\n"
    return words


def _is_channel(chat: dict[str, Any]) -> bool:
    return str(chat.get("type")).endswith("_channel")


def _place(chat: dict[str, Any]) -> str:
    """The chat's own id, as messages call whoever writes in the name of it."""
    kind = str(chat.get("type"))
    prefix = "channel" if kind.endswith(("_channel", "_supergroup")) else "chat" if kind.endswith("_group") else "user"
    return f"{prefix}{chat.get('id')}"


def _peer(value: object) -> str:
    """Exports before 2021 have a user's number alone."""
    return f"user{value}" if isinstance(value, int) else string(value)
