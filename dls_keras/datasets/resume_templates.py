"""The layouts and words of which `resumes.make_resumes` composes resumes.

A layout is a text with fields in braces. `LABELS` has the fields that are annotated.
The others are distractors: years of jobs and awards, people other than the applicant,
clients that were not employers, tools mentioned in passing. `{skills}` is replaced by a
list of skills, `{duties}` by a list of sentences, `{sep}` by the separator that a
resume has throughout. Everything here is invented, except towns, first names and the
technical terms of the trades.
"""


def _choices(text):
    """A tuple of texts that are separated by "|"."""
    return tuple(text.split("|"))


LABELS = {
    "name": "Name",
    "email": "Email Address",
    "link": "Email Address",  # a link to a profile, annotated as an address
    "city": "Location",
    "role": "Designation",
    "company": "Companies worked at",
    "college": "College Name",
    "degree": "Degree",
    "graduated": "Graduation Year",
    "years": "Years of Experience",
    "skill": "Skills",
    "code": "UNKNOWN",  # a reference number of a form
}

# The layouts of each section: a header, a summary, a job, a school, ...

TRAIN = {
    "header": (
        "{name}\n{role}\n{city} • {email} • {phone}",
        "{name}\n{role}{sep}{company}\n{city}\nContact: {link}",
        "{name}{sep}{phone}{sep}{email}\n{city}",
        "Name: {name}\nPhone: {phone}\nE-mail: {email}\nPlace: {city}",
        "CURRICULUM VITAE\n{name}\n{email}\n{phone}\n{city}",
        "Resume of {name}\n{city}{sep}{email}",
        "{name}\n{city}\n{phone}\n{email}\n{role}",
        "{role}\n{name}\n{email}{sep}{phone}\nAddress: {number} {word} Street, {city}",
        "{name} ({email})\n{role} in {city}",
        "{name}\n{role} at {company}{sep}{city}\nMobile {phone}{sep}Mail {email}",
        "Curriculum vitae: {name}, {role}\nreachable at {email} or {phone}",
        "{name}\n{role} with {years} of experience\n{city}{sep}{link}",
        "{email}\n{phone}\n\n{name}\n{role}{sep}{city}",
        "Applicant {name}\nRef. {code}\nBorn {date}\nHome {city}\nEmail {email}",
        "{name}, {city}\nTel. {phone}\n{link}",
        "{role}{sep}{city}\n{name}\n{email}",
        "PERSONAL DATA\nFull name {name}\nDate of birth {date}\nResidence {city}\n"
        "Email {email}\nPhone {phone}",
        "{name}\n{role}\nPrepared to move anywhere{sep}{email}",
    ),
    "summary": (
        "{role} with {years} of experience in {topic}.",
        "I am a {role} who has worked in {topic} for {years}. "
        "Skilled in {skill}, {skill} and {skill}.",
        "Over {years} of professional experience. Proficient in {skill} and {skill}.",
        "{years} of experience as {role}, most of it at {company}.",
        "Reliable and curious {role} looking for a new task in {topic}.",
        "Seeking a position as {role}, preferably in {city}.",
        "Experienced {role}; I led {number} people and a budget of {number} million "
        "in {year}.",
        "Total experience: {years}. Current employer: {company}. "
        "Notice period: {number} days.",
        "Results-oriented professional with more than {years} in {topic} and a "
        "{degree} from {college}.",
        "Motivated graduate ({degree}, {graduated}) with a passion for {topic}.",
        "Since {year} I have been working in {topic}. My strengths are {skill}, "
        "{skill} and {skill}.",
        "Having spent {years} with {company} and {company}, I now want to grow.",
        "My goal is a job where I can learn every day, take responsibility and be "
        "part of a team.",
        "{years} exp.{sep}{role}{sep}{city}",
        "Expertise in {skill}, {skill}, {skill}; {years} in the industry.",
        "Holder of a {degree}. Worked with {client} and {client} on {topic}.",
        "A {role} by training and a teacher at heart. I have mentored {number} "
        "colleagues in {tool}.",
        "Professional with {years} of hands-on experience, among them {few} years "
        "abroad.",
    ),
    "experience": (
        "{role}\n{company}{sep}{city}\n{from} to {to}\n{duties}",
        "{company}, {city}\n{role}, {from} - {to}\n{duties}",
        "{role} at {company} ({from} - {to})\n{duties}",
        "{from} - {to}: {role}, {company}, {city}\n{duties}",
        "{company}{sep}{role}{sep}{from} – {to}\n{duties}",
        "{from} – {to}\n{company}\n{role}\n{duties}",
        "Company: {company}\nDesignation: {role}\nDuration: {from} to {to}\n{duties}",
        "Worked as {role} with {company}, {city} from {from} to {to}. {duty} {duty}",
        "{role}{sep}{company}\n{duties}\n{from} - {to}",
        "{company} ({city})\n{from} - {to}\nPosition held: {role}\n{duties}",
        "Employer {company}\nRole {role}\nPeriod {from} until {to}\nTasks\n{duties}",
        "{from} to {to} {company}\n{role} in the department of {topic}\n{duties}",
        "In {from} I joined {company} as {role}. {duty} {duty}",
        "{role}, {company}\n{city}, {from} to {to}\nTools used: {tool}, {tool}\n"
        "{duties}",
        "{company}\n{city}\n{role}\n{few} years, reporting to {person}\n{duties}",
        "* {role} - {company} - {city} ({from} to {to})\n{duties}",
        "{role} | {from} - {to}\n{company} | {city}\nClient: {client}\n{duties}",
        "{number}. {company}\nTitle: {role}\nFrom: {from} To: {to}\nProject: {word}\n"
        "{duties}",
        "I have been with {company} in {city} since {from}, at first as {role}. {duty}",
        "{role} for {company}, {from} to {to}, contract with {client}.\n{duties}",
        "{from}\n{to}\n{role}\n{company}, {city}\n{duties}",
        "Internship at {company}, {city}: {role} ({few} months in {year})\n{duties}",
        "{company}: {role} ({from}), before that {role}\n{duties}",
        "Organisation: {company}{sep}{city}\nWorked as: {role}\nTeam size: {number}\n"
        "{duties}",
    ),
    "duties": (
        "Wrote and tested modules in {tool}.",
        "Responsible for {topic} and for a team of {number}.",
        "Reduced costs by {number} percent in {year}.",
        "Reported to {person}, head of {topic}.",
        "Introduced {tool} in the whole department.",
        "Prepared monthly reports for the management.",
        "Handled customer requests by phone and mail.",
        "Project {word}: planned and delivered in {number} months.",
        "Coordinated with {client} and other partners.",
        "Trained {number} new colleagues.",
        "Environment: {tool}, {tool}, {tool}.",
        "Maintained the documents of the {word} project for {client}.",
        "Negotiated contracts with suppliers.",
        "Moved the old system to {tool} and {tool}.",
        "Won the prize for the best idea of {year}.",
        "Supported the audit of {year}.",
        "Took part in daily meetings and in the planning of releases.",
        "Analysed requirements and wrote specifications.",
        "Improved the time of delivery from {number} to {number} days.",
        "Checked invoices and closed the books at the end of each month.",
        "Worked closely with {person} and {person}.",
        "Built dashboards with {tool} for {number} users.",
        "Organised fairs and {number} workshops.",
        "Looked after {number} patients or clients a day.",
        "Designed the {word} platform, used by {client} since {year}.",
        "Kept the stock at {number} articles.",
        "Answered tenders and prepared offers.",
        "Followed the rules for safety and quality.",
        "Automated the tests with {tool}.",
        "Represented the firm at the {word} conference {year}.",
        "Duties included {topic} as well as travel to customers.",
        "Client {client}: analysis and roll-out of {tool}.",
    ),
    "education": (
        "{degree}\n{college}{sep}{city}\n{started} to {graduated}",
        "{degree}, {college}, {graduated}",
        "{college}\n{degree} ({graduated})",
        "{college}, {city}: {degree}, {started} - {graduated}",
        "{started} - {graduated} {degree}, {college}",
        "{degree} from {college}, year of passing {graduated}, {number}%",
        "{degree} - {college} - {graduated} - grade {grade}",
        "{graduated}: {degree}, {college}",
        "Completed {degree} at {college} in {graduated} with a grade of {grade}.",
        "Qualification: {degree}\nInstitute: {college}\nYear: {graduated}",
        "{college}{sep}{degree}{sep}{month} {graduated}",
        "Graduated from {college} in {graduated} ({degree}).",
        "{degree}\n{month} {started} to {month} {graduated}\n{college}, {city}\n"
        "Thesis on {topic}",
        "* {degree}, {college} (class of {graduated})",
        "{college}\n{city}\n{degree}\nThesis: {topic} ({year})\n{graduated}",
        "I studied at {college} from {started} and left it in {graduated} with a "
        "{degree}.",
        "{degree} with distinction\n{college}\nmarks {number}%\n{graduated}",
        "{degree} ({started} to {graduated}), {college}, {city}",
        "{graduated} {college}\n{degree}\nsupervised by {person}",
    ),
    "skills": (
        "{skills}",
        "{skills}",
        "Languages: {skills}\nTools: {skills}",
        "Expert: {skills}\nBasic: {skills}",
        "I am familiar with {skill}, {skill}, {skill} and {skill}.",
        "{skill} ({few} years), {skill} ({few} years), {skill} (less than 1 year)",
        "{skill} - advanced\n{skill} - good\n{skill} - basic",
        "Technical: {skills}\nOther: {skills}",
        "* {skill}\n* {skill}\n* {skill}\n* {skill}\n* {skill}",
        "Daily use of {skill} and {skill}; some knowledge of {skill}.",
        "{skill}: {few} years\n{skill}: {few} years",
        "Known well: {skills}. Known a little: {skill}.",
        "[{skill}] [{skill}] [{skill}] [{skill}]",
        "1) {skill} 2) {skill} 3) {skill} 4) {skill}",
        "Software\n{skills}\nMethods\n{skills}",
    ),
    "extras": (
        "CERTIFICATES\n{award}, {year}\n{award}, {year}",
        "LANGUAGES\n{tongue} (fluent), {tongue} (basic)",
        "HOBBIES\n{hobby}, {hobby} and {hobby}",
        "REFERENCES\n{person}, {client}, {phone}\n{person}, {client}, {phone}",
        "PROJECTS\n{word} ({year})\nA shop on the web made with {tool} and {tool} for "
        "{client}.",
        "PROJECTS\nTitle: {word}\nClient: {client}\nDuration: {number} months\n{duty}",
        "AWARDS\n{award} in {year}\n{award} in {year}",
        "DECLARATION\nI declare that all of this is true to the best of my knowledge."
        "\n{name}\nDate: {date}",
        "Available from {month} {year}. Ref. {code}",
        "PUBLICATIONS\n{person} and {person}: On {topic}. {word} Journal, {year}.",
        "VOLUNTEERING\n{hobby} club {word}, treasurer since {year}",
        "PERSONAL\nBorn on {date}, married, {few} children",
        "LANGUAGES KNOWN: {tongue}, {tongue}, {tongue}",
        "COURSES\n{topic} by {client} ({month} {year})\n{topic} ({year})",
        "STRENGTHS\nEager to learn, on time, good with people",
        "Passport no. {code}",
        "References will be named on request.",
        "Father's name: {person}\nNationality: {tongue}\nMarital status: single",
        "WEBSITE\nwww.{handle}.example",
    ),
}

TEST = {
    "header": (
        "{name}\n{city}\n{email}{sep}{phone}",
        "{name}{sep}{role}\n{email}\n{city}",
        "Candidate: {name}\nE-mail address: {email}\nCurrent location: {city}",
        "{name}\n{role}, {company}\n{link}\n{city}",
        "{city}{sep}{phone}{sep}{email}\n{name}\n{role}",
        "Application of {name} as {role}\n{email}\n{phone}\n{city}",
        "{name} • {city} • {link}",
    ),
    "summary": (
        "A {role} with {years} of practice in {topic}, now at {company}.",
        "In {years} I have seen {topic} from all sides. Versed in {skill} and {skill}.",
        "{role}, {years} in {topic}; a team of {number} since {year}.",
        "I bring {years} of experience, a {degree} and much patience.",
        "Open for a new role as {role} in {city} or nearby.",
        "Looking back on {years} at {company}, where {number} people worked for me.",
        "Friendly, exact and quick: that is what {person} of {client} wrote about me.",
    ),
    "experience": (
        "{company}\n{role}{sep}{city}\n{from} – {to}\n{duties}",
        "{role} ({from} - {to})\n{company}, {city}\n{duties}",
        "{from} until {to}\n{role} with {company}\n{duties}",
        "Name of the firm: {company}\nPost: {role}\nTime: {from} - {to}\n{duties}",
        "{city}, {from} to {to}: {company}\nas {role}\n{duties}",
        "From {from} to {to} I was {role} at {company} in {city}. {duty} {duty}",
        "{role} @ {company}\n{from}-{to}\nWith: {tool}\n{duties}",
        "- {company}, {role}, since {from}\n{duties}",
    ),
    "duties": (
        "Set up {tool} for {number} machines.",
        "Planned the budget of {year} together with {person}.",
        "Was in charge of {topic} for the {word} group.",
        "Shortened the waiting time to {number} hours.",
        "Talks with {client} about prices and terms.",
        "Coded in {tool} and {tool}, reviewed by {person}.",
        "Helped {number} trainees through their first year.",
        "Project {word} was finished on time.",
        "Filed reports and kept the archive in order.",
        "Gave a talk on {topic} in {year}.",
        "Visited customers all over the country.",
        "Replaced paper forms by {tool}.",
    ),
    "education": (
        "{college}{sep}{city}\n{degree}\n{graduated}",
        "{degree} ({college}), {started}-{graduated}",
        "{graduated} {degree}\n{college}, {city}",
        "Studies: {degree} at {college}, finished in {graduated}",
        "{college} awarded me a {degree} in {month} {graduated}.",
        "Degree: {degree}{sep}School: {college}{sep}Passed out: {graduated}",
        "- {started} to {graduated}: {college}, {degree}, {grade}",
    ),
    "skills": (
        "Good at: {skills}",
        "- {skill}\n- {skill}\n- {skill}\n- {skill}",
        "I know {skill} and {skill} very well, {skill} a little.",
        "{skill} for {few} years, {skill} for {few} years",
        "Primary: {skills}\nSecondary: {skills}",
    ),
    "extras": (
        "SPARE TIME\nI like {hobby} and {hobby}.",
        "REFEREES\n{person} ({client}), telephone {phone}",
        "PRIZES\n{year} {award}\n{year} {award}",
        "OWN WORK\n{word}, an app in {tool}, since {year}",
        "I speak {tongue} and some {tongue}.",
        "FURTHER TRAINING\n{award} by {client}, {month} {year}",
        "Signed: {name}, {date}",
        "Form {code}",
        "Driving licence since {year}. Ready to start in {month} {year}.",
    ),
}

# Most layouts and sentences for training are composed of these at random. The first
# fields are always included, each of the others with probability 1/2; `from` is the
# whole period.

FIELDS = {
    "header": (
        ("name",),
        ("role", "city", "email", "phone", "link", "company", "date", "code"),
    ),
    "summary": ((), ("role", "years", "company", "city", "degree", "client", "skills")),
    "experience": (("role", "company"), ("city", "from", "client")),
    "education": (("degree", "college"), ("graduated", "city", "grade", "topic")),
    "skills": (("skills",), ("skill", "few")),
    "extras": (
        ("heading",),
        ("person", "client", "year", "tool", "word", "date", "phone"),
    ),
}
FORMS = {
    "name": ("{name}", "{name}", "{name}", "Name: {name}", "Name {name}", "I, {name}"),
    "role": _choices(
        "{role}|{role}|{role}|Position: {role}|as {role}|({role})|Job title {role}|"
        "Function - {role}|Occupation: {role}"
    ),
    "city": _choices(
        "{city}|{city}|{city}|in {city}|({city})|Place: {city}|Location {city}|"
        "Town - {city}|based in {city}|Living in: {city}"
    ),
    "email": _choices(
        "{email}|{email}|Email: {email}|E-mail - {email}|({email})|Mail {email}|"
        "write to {email}"
    ),
    "link": ("{link}", "Profile: {link}", "online at {link}", "Email me on {link}"),
    "phone": ("{phone}", "Phone: {phone}", "T {phone}", "Mobile - {phone}"),
    "date": ("{date}", "Born {date}", "Date of birth: {date}"),
    "code": ("{code}", "No. {code}", "({code})", "Id: {code}"),
    "years": ("{years}", "{years} of experience", "for {years}", "({years})"),
    "skills": ("{skills}", "{skills}", "{skill}, {skill} and {skill}", "{skill}"),
    "skill": ("{skill}", "{skill} and {skill}", "{skill} ({chatter})"),
    "few": ("{few} years", "{few} of 9", "({few} years)"),
    "heading": ("{caption}\n", "{caption}:\n", "{caption} and {caption}\n"),
    "person": ("{person}", "{person}, {person}", "{person} of {client}"),
    "year": ("{year}", "{year} to {year}", "in {year}", "({year})", "since {year}"),
    "tool": ("{tool}", "{tool} and {tool}", "with {tool}"),
    "word": ("{word}", "the {word}", "Project {word}", "the {word} system"),
    "company": _choices(
        "{company}|{company}|{company}|at {company}|for {company}|Employer: {company}|"
        "Firm {company}|with {company}|({company})|Name of employer - {company}|"
        "Workplace: {company}"
    ),
    "client": ("Client {client}", "for the customer {client}", "Project: {word}"),
    "from": _choices(
        "{from} - {to}|{from} - {to}|({from} - {to})|from {from} to {to}|"
        "{from} until {to}|{from} – {to}|{from}-{to}|since {from}|"
        "Period: {from} to {to}|Dates {from} - {to}|started {from}"
    ),
    "degree": _choices(
        "{degree}|{degree}|{degree}|a {degree}|Course: {degree}|Title {degree}|"
        "Diploma: {degree}|({degree})|Subject - {degree}"
    ),
    "college": _choices(
        "{college}|{college}|{college}|at {college}|from {college}|"
        "University: {college}|Place of study {college}|({college})|"
        "Name of college - {college}|the {college}"
    ),
    "graduated": _choices(
        "{graduated}|{started} - {graduated}|({graduated})|in {graduated}|"
        "{started} to {graduated}|{month} {graduated}|ended {graduated}|"
        "{started}-{graduated}|Year: {graduated}|{started} until {graduated}|"
        "completed {month} {graduated}"
    ),
    "grade": ("Grade {grade}", "{grade}", "{number}%", "{number} of 60 points"),
    "topic": ("Thesis on {topic}", "mostly {topic}", "Advisor {person}", "on {topic}"),
}
CAPTIONS = ("{caption}: ", "{caption} ", "{caption} - ", "{chatter} ", "{caption}\n")

JOINTS = ("{sep}", "{sep}", "{sep}", "\n", "\n", ", ", " ", ": ", "; ", " - ")

# Common words, for captions and for filler text.
COMMON = (
    "a about above abroad academic accepted account achieved achievements across "
    "active activities activity additional address administered administration "
    "advanced advice affairs affiliations after again age agency agreed agreement aim "
    "all also although always am ambitious amount an analysed analysis analytical and "
    "annual another any app applicant application applied apply appointed appointment "
    "apprenticeship approach approved april archive are area around article as asked "
    "assessed assets assigned assisted association at attended attention audience "
    "august author availability available avenue awarded aware background balance "
    "based basic basis be became because been before began being below benefits best "
    "better between beyond big bills board boards body book born both branch brief "
    "bring brought budget build building built business busy but buy by calculation "
    "call came campaign can candidate capable care career careful case cause centre "
    "certificate certifications certified chain challenge change charge chief "
    "children choice city class classroom clear client close club clubs coach code "
    "coded collaborated collected college coming commercial commitment committee "
    "common communication communicative community company compared competitions "
    "complete completion complex computer concept conference conferences configured "
    "consultant consulting contact content contract contractor control cooperation "
    "coordinated core corporate cost could council country course coursework created "
    "creative credit culture current curriculum customer cycle daily data databases "
    "date day deadline deal debugged decided decision dedicated defined degree "
    "deliverables delivered demand department dependents deployed deployment deputy "
    "described design desk detail developed development device did different digital "
    "diploma direct director discussion dissertation distribution division do "
    "document domain done down drafted drawing driven driver driving due during duty "
    "dynamic each early earned easy economic edited edition education effective "
    "efficient effort eight either elected electronic employed employee employer "
    "encouraged end energy engine engineer english enjoy enough enrolled ensured "
    "enterprise entire entry environment equipment error established etc evaluation "
    "even evening event every exact examination example excellent exchange executed "
    "exhibition expected experience expert expertise explained extra extracurricular "
    "eye facility fact factory fair familiar family farm fast father fathers feature "
    "federal feedback female field fifth figure file filed final finance find fine "
    "finish firm first five flexible floor flow fluent focus followed food for force "
    "foreign forename form formal former forum found foundation four framework "
    "frameworks free freelance french frequent friend friendly from front full "
    "fulltime fully function fund further future gained game gave gender general "
    "german get gift give given global go goal good goods government gpa grade "
    "graduate graduated grant great group grow growth guest guidance guide habit had "
    "half hand handled happy hard hardware has have he head health held help helped "
    "her here high higher him his history holder home honest honour honours hospital "
    "hotel hour house how human i idea identified if image impact implemented "
    "important improved in inch included income increased independent india "
    "individual industry influence information inside installed institute instruction "
    "integrated interest interests interfaces internal international internet "
    "internship interview into introduced invested invited involved is issue it item "
    "its january job joined joint journal july june junior just keen keep kept key "
    "kind kitchen knowledge known laboratory land language languages large last late "
    "launch law lead learned least leave led left legal less lesson letter level "
    "liaised liaison libraries library licence life light like line linked list "
    "little live loan local location logistics long look lot love low machine made "
    "mail main maintained major majored make male management manager managerial "
    "manual many map march marital mark market marks married master material "
    "mathematics may me meaning measured media medical meet meeting member "
    "memberships men mentor mentored merit met method methods might migrated "
    "migration mile milestones mind minimum minister minor minute mobile model modern "
    "modules month monthly more morning most mother mothers motivated move much "
    "multiple museum music must my name national nationality native near need "
    "negotiated network never new next night nine no none normal not note notice "
    "november number nurse object objective obtained occupation october of off offer "
    "office officer often oil old on once one online only open operated operating "
    "operation opportunity optimised option or oral order organisational organised "
    "organization oriented origin other our out outside over overall oversaw overseas "
    "overview own owner packages page paid paper parent park part participated "
    "partner parttime party passed passing passion passport past patent patents "
    "patience people per percent percentage perfect performed period permanent person "
    "personal phase phone photo physical pilot place plan planned plant platforms "
    "play player please pleased plus point policy poor population portfolio position "
    "positive possible post power practical practice preferably prepared present "
    "presented president press pressure previous price primary prime print private "
    "prize problem process procurement produced product profession proficient profile "
    "profit program progress project promoted proof proposal protection proud proved "
    "provided public publications published purchase purpose pursuing put quality "
    "quarter quarterly question quick quiet quote railway range rank rate ready real "
    "reason received recent recognised record recovery reduced reference references "
    "region registered regular related release reliable religion relocation remote "
    "repair replaced report represented request required requirements research "
    "residence resolved resource responsibilities responsible rest result resume "
    "retail retired return revenue review reviewed right risk road role room round "
    "route rule run rural safe safety said salary sale salutation same sample save "
    "saw say scale schedule scheme scholarships school science scientist scope score "
    "scripts season seasoned second secondary secretary section sector secure see "
    "seek seeking selected self semester seminars senior sent september series serve "
    "servers service session set settled seven several shared sheet shift shop short "
    "shorthand show side signature signed significant similar simple since single "
    "site situation six size skill skilled small so social society software solution "
    "solved some soon sort source south space spare speak spearheaded special "
    "specialised specialization specification specifications speech speed spent sport "
    "sports spring staff stage stakeholders standard start started state station "
    "status step still stock store story strategy streamlined street strength strong "
    "structure student studied study style subject submitted success such suggested "
    "summary summer supervised supplier supply support sure surname survey system "
    "systems table take taken talent talk target task tasks taught tax teacher team "
    "technical technologies telephone temporary ten term tested text than thank that "
    "the their them then theory there these thesis they thing third this those "
    "thousand three through ticket time title to today together told too took tool "
    "tools top total tour town trade trained trainee training transfer travel "
    "treatment trend trial trip troubleshooting trust turnover two type typing under "
    "understood union unit university until up updated upon urban use used useful "
    "user usual valid value variety various vast vehicle vendor versatile version "
    "versions very via view village visa visited visitor vitae voice voluntary "
    "volunteer wage waiting want warehouse was water way we web website week weekly "
    "welcome well went were west what when where which while white who whole whose "
    "why wide wife will win winner winter wish with within without woman won word "
    "work worked worker workshop workshops world would write written yard year yearly "
    "yes yet you young your youth zone"
).split()

VERBS = (
    "made kept led drew sold bought wrote ran taught served checked cleaned opened "
    "closed renewed counted tested repaired printed translated measured arranged "
    "supervised installed delivered ordered packed compared presented discussed "
    "documented calculated updated monitored launched created developed established "
    "implemented achieved increased managed produced conducted performed resolved "
    "scheduled facilitated evaluated identified ensured designed"
).split()
THINGS = _choices(
    "the annual accounts|new guidelines|several machines|all orders|a large database|"
    "the web page|weekly meetings|lectures|samples|training material|price lists|"
    "a survey of {number} customers|tools|software in {tool}|the network|"
    "the shop floor|plans and drawings|{topic}|a guide to {tool}|spare parts|"
    "the {word} system|contracts|the yearly report {year}|more than {number} cases|"
    "goods|letters|complex problems|strategies for growth|the process of hiring|risks|"
    "daily operations|performance and security|the user interface|leads|key results|"
    "proposals|medical records|safety checks|vendors"
)
ENDS = _choices(
    "|||for {client}|with {person}|in {year}|for {few} years|by means of {tool}|"
    "within {number} weeks|under pressure|at low cost|using {tool} and {tool}|"
    "together with {person} of {client}|on my own|across departments|"
    "to meet the deadlines|before the summer of {year}|as required by law|"
    "for {number} employees|in a small team|by hand|and reported to {person}|"
    "without mistakes|in three countries|with great success|"
    "for internal and external clients|on site"
)

HEADINGS = {
    "summary": ("Summary", "Profile", "Objective", "About me", "Career objective", ""),
    "experience": _choices(
        "Experience|Work experience|Employment|Professional experience|Career|"
        "Work history|Employment history|Jobs"
    ),
    "education": _choices(
        "Education|Academic background|Qualifications|Studies|"
        "Educational qualification|Academics|Degrees"
    ),
    "skills": _choices(
        "Skills|Technical skills|Key skills|Core competencies|Additional information|"
        "Areas of expertise|Abilities"
    ),
}

SEPARATORS = (", ", " | ", " - ", " – ", " • ", " / ", "\n")
LISTS = (", ", ", ", "; ", " | ", " • ", " / ", "\n- ", "\n• ", "\n* ")

# For each trade: job titles, skills, subjects of study, and topics of work.

TRADES = {
    "software": (
        ("Software Engineer", "Web Developer", "Java Developer", "Test Engineer")
        + ("System Administrator", "DevOps Engineer", "Technical Lead", "Programmer")
        + ("Solution Architect", "Mobile Developer", "Software Developer"),
        "Python|Java|C++|C#|JavaScript|TypeScript|SQL|HTML|CSS|Node.js|React|Angular|"
        "Docker|Kubernetes|Linux|Git|Spring Boot|.NET|MongoDB|PostgreSQL|Jenkins|AWS|"
        "Azure|CI/CD|REST|Selenium|Android|Scrum|PHP|Go|Rust|Bash|Unit testing",
        "Computer Science|Information Technology|Software Engineering|Informatics",
        "web services|cloud platforms|embedded systems|release management",
    ),
    "data": (
        ("Data Analyst", "Data Scientist", "Machine Learning Engineer", "Statistician")
        + ("Database Administrator", "Business Intelligence Developer"),
        "Python|R|SQL|Tableau|Power BI|Excel|Spark|Hadoop|Statistics|TensorFlow|Keras|"
        "Machine learning|Data mining|Forecasting|SAS|Airflow|Pandas|NumPy|Oracle|"
        "Deep learning|Data modelling|ETL|Regression",
        "Statistics|Mathematics|Data Science|Applied Mathematics|Physics",
        "forecasting|data quality|market models|reporting",
    ),
    "finance": (
        ("Accountant", "Financial Analyst", "Auditor", "Controller", "Tax Consultant")
        + ("Accounts Manager", "Credit Officer", "Bookkeeper"),
        "Excel|SAP|Bookkeeping|Payroll|Taxation|Budgeting|Auditing|Risk analysis|IFRS|"
        "Financial modelling|Invoicing|Cost control|QuickBooks|MS Office|Treasury|VBA",
        "Finance|Accounting|Commerce|Economics|Business Administration",
        "cost accounting|group accounts|tax law|credit risk",
    ),
    "marketing": (
        ("Marketing Manager", "Content Writer", "Brand Manager", "Graphic Designer")
        + ("Sales Executive", "Account Manager", "Product Manager", "Copywriter"),
        "SEO|Copywriting|Photoshop|Illustrator|Market research|Social media|CRM|Excel|"
        "Negotiation|Salesforce|Public relations|Email campaigns|InDesign|Branding|"
        "Presentation|Event planning|Google Analytics|Storytelling",
        "Marketing|Journalism|Design|Communication|Fine Arts",
        "consumer goods|online marketing|brand design|key accounts",
    ),
    "people": (
        ("HR Manager", "Recruiter", "Office Manager", "Executive Assistant", "Trainer")
        + ("HR Business Partner", "Receptionist", "Personnel Officer"),
        "Recruiting|Payroll|Labour law|Interviewing|Onboarding|MS Office|Word|Outlook|"
        "Conflict resolution|Training|Time management|Scheduling|PowerPoint|Coaching|"
        "Typing|Minutes|Travel planning|Communication",
        "Psychology|Human Resources|Sociology|Law|Office Administration",
        "recruiting|staff development|labour relations|office routine",
    ),
    "works": (
        ("Mechanical Engineer", "Civil Engineer", "Site Manager", "Production Planner")
        + ("Quality Engineer", "Electrician", "Logistics Coordinator", "Welder"),
        "AutoCAD|SolidWorks|MATLAB|CNC|Six Sigma|Lean|PLC|Welding|Cost estimation|SAP|"
        "Quality control|Project management|Surveying|Soldering|Maintenance|Revit|ISO "
        "9001|Primavera|Supply chain|Forklift driving",
        "Mechanical Engineering|Civil Engineering|Electrical Engineering|Architecture",
        "bridge building|plant safety|assembly lines|warehouse planning",
    ),
    "care": (
        ("Nurse", "Pharmacist", "Laboratory Technician", "Teacher", "Physiotherapist")
        + ("Lecturer", "Social Worker", "Medical Writer", "Head Nurse"),
        "First aid|Patient care|Phlebotomy|Wound care|Microscopy|Lesson planning|CPR|"
        "Counselling|Classroom management|Medical coding|Chromatography|Documentation|"
        "Palliative care|Diagnostics|Curriculum design|PCR|Ventilation",
        "Nursing|Pharmacy|Biology|Education|Chemistry|Public Health|English",
        "intensive care|adult education|clinical trials|early years",
    ),
}

LEVELS = ("Senior", "Junior", "Lead", "Principal", "Assistant", "Associate", "Chief")
DEGREES = _choices(
    "Bachelor of Science in {}|Master of Science in {}|B.Sc. in {}|MBA|M.Sc. {}|BSc {}|"
    "MSc {}|Bachelor of Arts in {}|Master of Arts in {}|B.Tech in {}|M.Tech in {}|"
    "B.E. in {}|Diploma in {}|PhD in {}|Bachelor's degree in {}|Master's degree in {}|"
    "BA {}|MA {}|B.Com|B.Tech ({})|Bachelor of {}|Master of {}|"
    "Postgraduate Diploma in {}"
)

# Names of companies and colleges. W is replaced by an invented word, T by an invented
# town, F by a family name, G by a first name.

FIRMS = _choices(
    "W Technologies|W Systems|W Solutions Pvt Ltd|W Software|W Ltd|W & W|W Group|"
    "W Consulting|W Labs|WW Inc|W Logistics|W GmbH|Bank of T|T Steel Works|"
    "T Savings Bank|F and Sons|F Brothers|W Foods|W Pharma|T Insurance|W Media|"
    "F Engineering|W Telecom|W Retail Ltd|T General Hospital|W Airlines|W Energy|"
    "W Motors|W India Private Limited|T Water Board|W Data Services|W|W Hotels"
)
COLLEGES = _choices(
    "University of T|T University|T Institute of Technology|T College|"
    "F College of Engineering|St. G College|Technical University of T|"
    "T State University|W School of Business|F Polytechnic|W Academy|"
    "T College of Arts and Science|G F University|W Institute of Management|"
    "National Institute of W|F Medical College|T Open University"
)

FIRST_NAMES = (
    "Aarav Adam Aisha Alba Alice Amara Amir Ana Andrei Anika Anna Arjun Asha Astrid "
    "Ben Bianca Bruno Carla Carlos Chen Chloe Clara Daniel Diego Dina Elena Eli Emil "
    "Emma Erik Esra Eva Fatima Felix Finn Freya Gita Greta Hana Hassan Helen Hugo Ida "
    "Ines Isaac Ivan Jana Jin Jonas Jorge Julia Kamal Karim Kavya Kofi Lara Leila "
    "Lena Leo Lin Lucas Lucia Luis Maja Malik Marco Maria Marta Mateo Maya Mei Mila "
    "Mina Miriam Nadia Neha Niko Nina Noah Nora Olga Omar Oscar Otto Paula Pedro "
    "Petra Priya Rahul Ravi Rosa Ruth Sam Samir Sara Selma Sofia Sunil Tara Tariq "
    "Theo Thomas Tomas Uma Vera Victor Vikram Wei Yara Yusuf Zara Zoe"
).split()

CITIES = (
    "Accra Adelaide Amsterdam Athens Atlanta Auckland Austin Bangkok Barcelona Beirut "
    "Belgrade Bengaluru Bergen Berlin Bern Bilbao Boston Bremen Brisbane Brussels "
    "Bucharest Budapest Cairo Calgary Cardiff Chennai Chicago Cologne Copenhagen Cork "
    "Dakar Dallas Delhi Denver Dhaka Dresden Dublin Durban Edinburgh Florence "
    "Frankfurt Galway Geneva Genoa Ghent Glasgow Graz Hamburg Hanoi Helsinki Houston "
    "Hyderabad Istanbul Jaipur Jakarta Johannesburg Karachi Kigali Kolkata Krakow "
    "Lagos Lahore Leeds Leipzig Lille Lima Lisbon London Lyon Madrid Malmo Manchester "
    "Manila Miami Milan Montreal Mumbai Munich Nagpur Nairobi Nantes Naples Oslo "
    "Ottawa Paris Perth Phoenix Porto Prague Pune Quito Riga Rome Rotterdam Salzburg "
    "Santiago Seattle Seoul Seville Sheffield Singapore Sofia Stockholm Sydney "
    "Tallinn Toronto Toulouse Trieste Tunis Turin Utrecht Valencia Vancouver Vienna "
    "Vilnius Warsaw Zagreb Zurich"
).split()
REGIONS = _choices(
    "Germany|India|Karnataka|Texas|CA|UK|Spain|Canada|NY|Maharashtra|Scotland|Kenya|"
    "Ontario|Tamil Nadu|France|Italy"
)

AWARDS = _choices(
    "Employee of the month|Certified Project Manager|Best paper|First prize|"
    "Safety certificate|Scholarship of the town|Certified Scrum Master|Star performer|"
    "Second place in the chess cup|First aid course"
)
TONGUES = _choices(
    "English|German|Hindi|French|Spanish|Tamil|Arabic|Swedish|Polish|Turkish|Italian|"
    "Swahili|Dutch|Portuguese"
)
HOBBIES = _choices(
    "chess|cooking|hiking|reading|singing in a choir|football|painting|travelling|"
    "gardening|table tennis|old films"
)
MONTHS = _choices(
    "January|February|March|April|May|June|July|August|September|October|November|"
    "December"
)
