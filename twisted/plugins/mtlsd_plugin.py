from twisted.application.service import ServiceMaker

mtlsd = ServiceMaker(
    "mtlsd", "mtlsd.tap", "OAuth 2.0 for clients that authenticate with certificates", "mtlsd"
)
