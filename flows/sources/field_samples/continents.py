"""Continents: boxes around them, to find coordinates that cannot be where a row says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Box:
    """Degrees, WGS 84, edges included; east is above 180 where the box crosses the date line."""

    west: float
    south: float
    east: float
    north: float

    def holds(self, longitude: float, latitude: float) -> bool:
        """True where the place lies in the box."""
        inside = any(self.west <= turn <= self.east for turn in (longitude, longitude + 360))
        return inside and self.south <= latitude <= self.north


#: The extreme points of each continent with the islands counted to it, rounded outwards to whole degrees.
#: Europe: Azores 31.3 W, Canary Islands 27.6 N, Franz Josef Land 81.9 N, and in the east Novaya Zemlya
#: 69.1 E, which is beyond the Ural. Asia: Asia Minor 26.0 E to Big Diomede 169.0 W, Pamana 11.0 S to Cape
#: Arktichesky 81.3 N. Africa: Cape Verde 25.4 W to Rodrigues 63.5 E, Cape Agulhas 34.9 S to Galite 37.6 N.
#: North America: Attu 172.4 E to Nordostrundingen 11.3 W, Panama 7.2 N to Kaffeklubben 83.7 N. South America:
#: Galapagos 92.0 W to Martin Vaz 28.8 W, Diego Ramirez 56.6 S to Santa Catalina 13.4 N. Australia, Oceania:
#: Cocos Islands 96.8 E to Ducie 124.8 W, Macquarie 55.1 S to Kure 28.4 N. Antarctica: its treaty's 60 S.
BOXES: Mapping[str, Box] = {
    "africa": Box(-26, -35, 64, 38),
    "antarctica": Box(-180, -90, 180, -60),
    "asia": Box(25, -12, 191, 82),
    "australia": Box(96, -56, 236, 29),
    "europe": Box(-32, 27, 70, 82),
    "north america": Box(172, 7, 349, 84),
    "oceania": Box(96, -56, 236, 29),
    "south america": Box(-93, -57, -28, 14),
}
