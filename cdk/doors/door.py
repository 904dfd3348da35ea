"""A door for any shop in Python, with the library PyJWT. The part between the marks stands in
docs/connect-a-shop.md."""

# docs: python
import json

import jwt


class Unchecked(Exception):
    """The keys cannot be fetched: answer 503. The pass may be good, and a visitor who is sent to the
    room would come back with the same one."""


class Check:
    """check(token) gives the claims of a good pass, and None for one that opens nothing here."""

    def __init__(self, room, shop, event):
        self.room, self.shop, self.event = room, shop, event
        # Keys stay in force while the room is out of reach. The first pass with a new key replaces them.
        self.keys = jwt.PyJWKClient(
            f"{room}/.well-known/jwks.json", lifespan=float("inf"), cooldown_duration=5, timeout=3
        )

    def __call__(self, token):
        try:
            claims = jwt.decode(
                token,
                self.keys.get_signing_key_from_jwt(token),
                algorithms=["RS256"],  # never from the pass: anybody can sign with HS256 and the public key
                issuer=self.room,
                audience=self.shop,
                options={"require": ["sub", "exp", "iat", "jti"]},
                leeway=10,
            )
        except (jwt.PyJWKClientConnectionError, jwt.PyJWKSetError, json.JSONDecodeError) as error:
            raise Unchecked from error
        except jwt.PyJWTError:
            return None
        return claims if claims.get("event") == self.event else None
# docs: end
