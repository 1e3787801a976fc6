"""Words that the invented dictionary is made of: body systems with their sites, findings, modifiers.

Everyday medical English, so that a pretrained embedding relates a term to its synonyms. Names of
systems, groups and terms are made here and are not those of MedDRA, which is licensed.
"""

from __future__ import annotations

from typing import NamedTuple


class System(NamedTuple):
    """A body system: name of its SOC, abbreviation, sites as (adjective, noun, lay noun)."""

    name: str
    abbreviation: str
    sites: tuple[tuple[str, str, str], ...]


class Finding(NamedTuple):
    """A finding: class (makes the HLGT), term in British spelling, lay words."""

    group: str
    term: str
    lay: tuple[str, ...]


def _system(name: str, abbreviation: str, sites: str) -> System:
    triples = (tuple(part.strip() for part in site.split("/")) for site in sites.split(","))
    return System(name, abbreviation, tuple((a, n, lay) for a, n, lay in triples))


SYSTEMS: tuple[System, ...] = (
    _system(
        "Heart and rhythm conditions", "Heart",
        "Cardiac/heart/heart, Myocardial/myocardium/heart muscle, Pericardial/pericardium/heart "
        "lining, Coronary/coronary artery/heart artery, Mitral/mitral valve/heart valve, "
        "Atrial/atrium/upper heart chamber, Ventricular/ventricle/lower heart chamber, Aortic/aortic "
        "valve/main heart valve",
    ),
    _system(
        "Liver and bile duct conditions", "Liver",
        "Hepatic/liver/liver, Biliary/bile duct/bile tube, Gallbladder/gallbladder/gall bladder, "
        "Hepatocellular/liver cell/liver cells, Portal/portal tract/liver vein area, "
        "Intrahepatic/intrahepatic duct/inner liver duct, Cholangiolar/small bile duct/tiny bile "
        "tube, Perihepatic/liver capsule/liver covering",
    ),
    _system(
        "Stomach and bowel conditions", "Bowel",
        "Gastric/stomach/stomach, Intestinal/intestine/gut, Colonic/colon/large bowel, "
        "Oesophageal/oesophagus/gullet, Rectal/rectum/back passage, Oral/mouth/mouth, "
        "Gingival/gum/gums, Abdominal/abdomen/belly",
    ),
    _system(
        "Skin and hair conditions", "Skin",
        "Skin/skin/skin, Scalp/scalp/scalp, Facial/face/face, Nail/nail/nail, Palmar/palm/palm of the "
        "hand, Plantar/sole/sole of the foot, Follicular/hair follicle/hair root, Flexural/skin "
        "fold/skin crease",
    ),
    _system(
        "Brain and nerve conditions", "Nerve",
        "Cerebral/brain/brain, Meningeal/meninges/brain lining, Spinal/spinal cord/spine, Peripheral "
        "nerve/peripheral nerve/nerve, Cerebellar/cerebellum/back of the brain, Optic nerve/optic "
        "nerve/eye nerve, Facial nerve/facial nerve/face nerve, Cranial/head/head",
    ),
    _system(
        "Lung and airway conditions", "Lung",
        "Pulmonary/lung/lung, Bronchial/bronchus/airway, Pleural/pleura/lung lining, Nasal/nose/nose, "
        "Laryngeal/larynx/voice box, Pharyngeal/pharynx/throat, Tracheal/trachea/windpipe, "
        "Sinus/paranasal sinus/sinus",
    ),
    _system(
        "Kidney and urinary conditions", "Kidney",
        "Renal/kidney/kidney, Bladder/urinary bladder/bladder, Ureteric/ureter/urine tube, "
        "Urethral/urethra/water pipe, Glomerular/glomerulus/kidney filter, Renal tubular/renal "
        "tubule/kidney tube, Renal pelvic/renal pelvis/kidney basin, Perirenal/perirenal tissue/area "
        "around the kidney",
    ),
    _system(
        "Muscle and joint conditions", "Muscle",
        "Muscle/muscle/muscle, Joint/joint/joint, Bone/bone/bone, Tendon/tendon/sinew, "
        "Back/back/back, Shoulder/shoulder/shoulder, Knee/knee/knee, Jaw/jaw/jaw",
    ),
    _system(
        "Eye conditions and sight", "Eye",
        "Ocular/eye/eye, Corneal/cornea/front of the eye, Retinal/retina/back of the eye, "
        "Conjunctival/conjunctiva/white of the eye, Eyelid/eyelid/lid, Lacrimal/lacrimal gland/tear "
        "gland, Macular/macula/centre of sight, Iris/iris/coloured part of the eye",
    ),
    _system(
        "Blood and bone marrow conditions", "Blood",
        "Bone marrow/bone marrow/marrow, Splenic/spleen/spleen, Lymph node/lymph node/gland, Red "
        "cell/red blood cell/red cells, White cell/white blood cell/white cells, "
        "Platelet/platelet/platelets, Thymic/thymus/thymus gland, Lymphatic/lymphatic vessel/lymph "
        "vessel",
    ),
    _system(
        "Vessel and circulation conditions", "Vessel",
        "Arterial/artery/artery, Venous/vein/vein, Capillary/capillary/small vessel, Carotid/carotid "
        "artery/neck artery, Femoral/femoral vein/leg vein, Jugular/jugular vein/neck vein, "
        "Vascular/blood vessel/blood vessel, Limb/limb vessel/arm or leg vessel",
    ),
    _system(
        "Administration site and general conditions", "Gener",
        "Injection site/injection site/place of the injection, Infusion site/infusion site/place of "
        "the drip, Application site/application site/place of the patch, Implant site/implant "
        "site/place of the implant, Chest/chest/chest, Vaccination site/vaccination site/place of the "
        "jab, Axillary/axilla/armpit, Catheter site/catheter site/place of the line",
    ),
    _system(
        "Ear and balance conditions", "Ear",
        "Ear/ear/ear, Tympanic/ear drum/eardrum, Cochlear/cochlea/inner ear, "
        "Vestibular/vestibule/balance organ, Mastoid/mastoid/bone behind the ear, "
        "Auricular/auricle/outer ear, Eustachian/eustachian tube/ear tube, Ear canal/ear canal/ear "
        "passage",
    ),
    _system(
        "Hormone gland conditions", "Gland",
        "Thyroid/thyroid/thyroid gland, Adrenal/adrenal gland/adrenals, Pituitary/pituitary "
        "gland/pituitary, Parathyroid/parathyroid gland/parathyroids, Pancreatic/pancreas/pancreas, "
        "Islet cell/islet cell/insulin cells, Hypothalamic/hypothalamus/hormone centre, Pineal/pineal "
        "gland/pineal",
    ),
    _system(
        "Breast and female reproductive conditions", "Femal",
        "Breast/breast/breast, Uterine/uterus/womb, Ovarian/ovary/ovaries, Cervical/cervix/neck of "
        "the womb, Vaginal/vagina/vagina, Vulval/vulva/vulva, Fallopian tube/fallopian tube/egg tube, "
        "Nipple/nipple/nipple",
    ),
    _system(
        "Male reproductive conditions", "Male",
        "Testicular/testis/testicle, Prostatic/prostate/prostate gland, Penile/penis/penis, "
        "Scrotal/scrotum/scrotum, Epididymal/epididymis/testicle tube, Seminal/seminal vesicle/semen "
        "gland, Spermatic cord/spermatic cord/testicle cord, Preputial/foreskin/foreskin",
    ),
    _system(
        "Pregnancy and birth conditions", "Preg",
        "Placental/placenta/afterbirth, Foetal/foetus/unborn baby, Amniotic/amniotic membrane/waters, "
        "Umbilical/umbilical cord/birth cord, Perineal/perineum/birth area, Chorionic/chorion/outer "
        "birth membrane, Gestational/gravid uterus/pregnant womb, Lactation/lactating breast/milk "
        "gland",
    ),
    _system(
        "Teeth and mouth conditions", "Teeth",
        "Dental/tooth/tooth, Dental pulp/dental pulp/tooth nerve, Periodontal/periodontium/tooth "
        "socket, Lingual/tongue/tongue, Lip/lip/lip, Palatal/palate/roof of the mouth, Salivary "
        "gland/salivary gland/spit gland, Buccal/cheek/inside of the cheek",
    ),
    _system(
        "Immune tissue conditions", "Immun",
        "Tonsillar/tonsil/tonsil, Adenoidal/adenoid/adenoids, Mucosal/mucosa/body lining, "
        "Serosal/serous membrane/organ covering, Synovial/synovium/joint lining, Reticular/reticular "
        "tissue/immune tissue, Connective tissue/connective tissue/body tissue, Graft/transplanted "
        "organ/transplant",
    ),
    _system(
        "Nutrition and fat tissue conditions", "Nutri",
        "Adipose/fat tissue/body fat, Subcutaneous/subcutaneous tissue/under the skin, "
        "Omental/omentum/belly fat, Mesenteric/mesentery/gut lining, "
        "Retroperitoneal/retroperitoneum/behind the belly, Peritoneal/peritoneum/belly lining, "
        "Gluteal/buttock/buttock, Truncal/trunk/body",
    ),
    _system(
        "Spine and limb conditions", "Limb",
        "Lumbar/lumbar spine/lower back, Thoracic/thoracic spine/upper back, Neck/neck/neck, "
        "Hip/hip/hip, Ankle/ankle/ankle, Wrist/wrist/wrist, Elbow/elbow/elbow, Finger/finger/finger",
    ),
    _system(
        "Childhood and inborn conditions", "Child",
        "Neonatal/newborn/newborn baby, Fontanelle/fontanelle/soft spot, Growth plate/growth "
        "plate/growing bone, Umbilicus/navel/belly button, Craniofacial/craniofacial bone/face bone, "
        "Septal/heart septum/heart wall, Ductal/ductus arteriosus/baby heart vessel, Spinal "
        "canal/spinal canal/spine channel",
    ),
    _system(
        "Injury and procedure conditions", "Injur",
        "Wound/wound/wound, Stoma/stoma/stoma, Suture/suture/stitch, Incision site/incision/cut, "
        "Anastomotic/anastomosis/surgical join, Stump/stump/stump, Scar/scar/scar, Burn "
        "site/burn/burn",
    ),
    _system(
        "Device and product conditions", "Devic",
        "Stent/stent/stent, Pacemaker/pacemaker/pacemaker, Prosthesis/prosthesis/artificial part, "
        "Shunt/shunt/drain, Lead/electrode/wire, Port/port/port, Pump/pump/pump, Mesh/mesh/mesh",
    ),
    _system(
        "Small vessel and lymph conditions", "Lymph",
        "Inguinal/groin/groin, Mediastinal/mediastinum/middle of the chest, Hilar/lung root/lung "
        "root, Submandibular/submandibular gland/under the jaw, Popliteal/popliteal fossa/back of the "
        "knee, Supraclavicular/collarbone region/collar bone, Pelvic/pelvis/pelvis, Iliac/iliac "
        "vessel/hip vessel",
    ),
    _system(
        "Behaviour and sleep centre conditions", "Behav",
        "Limbic/limbic system/emotion centre, Cortical/cortex/thinking part of the brain, "
        "Hippocampal/hippocampus/memory centre, Frontal/frontal lobe/front of the brain, "
        "Temporal/temporal lobe/side of the brain, Thalamic/thalamus/relay centre, "
        "Brainstem/brainstem/brain stem, Basal ganglia/basal ganglia/movement centre",
    ),
    _system(
        "Diaphragm and chest wall conditions", "Diaph",
        "Diaphragmatic/diaphragm/breathing muscle, Rib/rib/rib, Sternal/sternum/breastbone, "
        "Intercostal/intercostal muscle/muscle between the ribs, Clavicular/clavicle/collarbone, "
        "Costochondral/rib cartilage/rib joint, Scapular/scapula/shoulder blade, Chest wall/chest "
        "wall/chest wall",
    ),
)  # fmt: skip


def _finding(group: str, term: str, lay: str) -> Finding:
    return Finding(group, term, tuple(word.strip() for word in lay.split(",")))


FINDINGS: tuple[Finding, ...] = (
    _finding("Pain", "pain", "ache, soreness, hurting"),
    _finding("Pain", "discomfort", "unease, uncomfortable feeling"),
    _finding("Pain", "tenderness", "pain on touch, tender feeling"),
    _finding("Inflammation", "inflammation", "inflamed tissue, redness and swelling"),
    _finding("Inflammation", "irritation", "irritated feeling, rawness"),
    _finding("Inflammation", "granuloma", "lumpy inflammation, inflamed nodule"),
    _finding("Bleeding", "haemorrhage", "bleeding, blood loss"),
    _finding("Bleeding", "haematoma", "bruise, collection of blood"),
    _finding("Bleeding", "petechiae", "pinpoint bleeding, tiny red spots"),
    _finding("Fluid", "oedema", "swelling, fluid retention, puffiness"),
    _finding("Fluid", "effusion", "fluid collection, fluid build-up"),
    _finding("Fluid", "cyst", "fluid-filled lump, fluid sac"),
    _finding("Infection", "infection", "germ infection, germs in the tissue"),
    _finding("Infection", "abscess", "pus collection, pocket of pus"),
    _finding("Infection", "cellulitis", "spreading infection, infected soft tissue"),
    _finding("Circulation", "ischaemia", "poor blood supply, lack of blood flow"),
    _finding("Circulation", "thrombosis", "blood clot, clotting"),
    _finding("Circulation", "congestion", "blood build-up, stagnant blood"),
    _finding("Tissue death", "necrosis", "tissue death, dead tissue"),
    _finding("Tissue death", "ulcer", "open sore, ulceration"),
    _finding("Tissue death", "gangrene", "rotting tissue, black dead tissue"),
    _finding("Growth", "neoplasm", "tumour, abnormal growth"),
    _finding("Growth", "hypertrophy", "enlargement, overgrowth"),
    _finding("Growth", "polyp", "small growth, growth on a stalk"),
    _finding("Narrowing", "stenosis", "narrowing, tightening"),
    _finding("Narrowing", "obstruction", "blockage, blocked passage"),
    _finding("Narrowing", "spasm", "cramp, sudden tightening"),
    _finding("Function", "failure", "loss of function, insufficiency"),
    _finding("Function", "dysfunction", "poor working, impaired function"),
    _finding("Function", "weakness", "loss of strength, lack of power"),
    _finding("Wasting", "atrophy", "wasting, shrinkage"),
    _finding("Wasting", "fibrosis", "scarring, scar tissue"),
    _finding("Wasting", "degeneration", "breakdown, wear and tear"),
    _finding("Injury", "rupture", "tear, burst"),
    _finding("Injury", "perforation", "hole, puncture"),
    _finding("Injury", "contusion", "blow injury, knock"),
    _finding("Sensation", "pruritus", "itching, itch"),
    _finding("Sensation", "numbness", "loss of feeling, no sensation"),
    _finding("Sensation", "paraesthesia", "tingling, pins and needles"),
    _finding("Allergy", "hypersensitivity", "allergic reaction, allergy"),
    _finding("Allergy", "urticaria", "hives, nettle rash"),
    _finding("Allergy", "erythema", "redness, red patch"),
    _finding("Appearance", "discolouration", "colour change, changed colour"),
    _finding("Appearance", "calcification", "chalk deposits, hardening"),
    _finding("Appearance", "deformity", "crooked shape, abnormal shape"),
)
GROUPS: tuple[str, ...] = tuple(dict.fromkeys(finding.group for finding in FINDINGS))

MODIFIERS: tuple[tuple[str, str], ...] = (
    ("", ""),
    ("Acute", "sudden"),
    ("Chronic", "long-lasting"),
    ("Recurrent", "repeated"),
    ("Drug-induced", "caused by medicine"),
    ("Infective", "caused by germs"),
    ("Viral", "from a virus"),
    ("Bacterial", "from bacteria"),
    ("Autoimmune", "from own immune system"),
    ("Allergic", "from allergy"),
    ("Traumatic", "after an injury"),
    ("Postoperative", "after surgery"),
    ("Bilateral", "on both sides"),
    ("Unilateral", "on one side"),
    ("Diffuse", "all over"),
    ("Focal", "in one spot"),
    ("Transient", "passing"),
    ("Progressive", "getting worse"),
    ("Nocturnal", "at night"),
    ("Exertional", "on effort"),
    ("Radiation-induced", "after radiotherapy"),
    ("Congenital", "from birth"),
    ("Familial", "running in the family"),
    ("Toxic", "from poisoning"),
    ("Haemorrhagic", "with bleeding"),
    ("Fungal", "from a fungus"),
    ("Postprandial", "after eating"),
    ("Latent", "hidden"),
    ("Relapsing", "coming back"),
    ("Refractory", "not responding to treatment"),
)
"""Modifier and how a reporter would say it; the first makes the plain term."""

SPELLING: tuple[tuple[str, str], ...] = (
    ("haemorrh", "hemorrh"), ("haemat", "hemat"), ("oedema", "edema"), ("ischaem", "ischem"),
    ("oesophag", "esophag"), ("foet", "fet"), ("paraesth", "paresth"), ("tumour", "tumor"),
    ("discolour", "discolor"), ("colour", "color"), ("centre", "center"), ("anaem", "anem"),
    ("leucocyt", "leukocyt"), ("diarrhoea", "diarrhea"), ("gynaec", "gynec"), ("paed", "ped"),
)  # fmt: skip
"""British and American spelling of word parts: the dictionary holds PTs in the British one."""


_REPLACED = tuple((b, us) for pair in SPELLING for b, us in (pair, tuple(part.capitalize() for part in pair)))


def american(text: str) -> str:
    """The text in American spelling; keeps a leading capital."""
    for british, us in _REPLACED:
        if british in text:
            text = text.replace(british, us)
    return text
