"""Invented woodland names. Any likeness to a real wood is chance."""

NAMES = {
    "HF": (
        "Askel Wood", "Birkhagg", "Brackenthwaite Wood", "Cald Hause Wood", "Crooken Shaw", "Dunmire Coppice",
        "Ellerhow Plantation", "Fallbeck Wood", "Ghyll Hagg", "Great Merrin Wood", "Grizehow", "Hallin Gill",
        "Harrowby Wood", "High Swarth", "Hollin Bank", "Kelda Wood", "Kirkmere Plantation", "Lanty Wood",
        "Little Merrin Wood", "Low Swarth", "Mirk Holm", "Netherscar Wood", "Oxenrigg Plantation",
        "Raven Hagg", "Rowantree Bank", "Skell Wood", "Slaterigg", "Stanger Coppice", "Tarnhow Wood",
        "Thornby Hagg", "Ulvey Plantation", "Whinfell Strip", "Yewdale Shaw",
    ),
    "OW": (
        "Abbot's Orran", "Alderden Wood", "Barrow Hurst", "Bexfold Wood", "Birchden Shaw", "Brickkiln Shaw",
        "Cinderhurst", "Combefield Wood", "Crockden", "Dallingfold Plantation", "Earl's Orran", "Fernhanger",
        "Forge Shaw", "Furnace Gill", "Hammerden Wood", "Hazelfold", "Hogtrough Wood", "Iden's Copse",
        "Kingsfold Rough", "Lambhurst Plantation", "Long Orran", "Maplehurst Wood", "Nightingale Shaw",
        "Oakfold Hanger", "Pook's Shaw", "Quarry Hurst", "Roundel Wood", "Sawpit Wood", "Sheepwash Gill",
        "Tanner's Hurst", "Upper Bexfold", "Wadden Copse", "Wickhurst Plantation",
    ),
}  # fmt: skip
